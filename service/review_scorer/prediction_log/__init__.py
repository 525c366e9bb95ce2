"""The prediction log in Redis, and the shadow bundle. Both work after the response and never delay it."""
