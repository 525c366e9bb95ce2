// No validator: it would send the description to a host elsewhere.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  validatorUrl: null,
  tryItOutEnabled: true,
});
