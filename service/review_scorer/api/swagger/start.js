// null turns off the validator, which would send the OpenAPI document to another host.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  validatorUrl: null,
  tryItOutEnabled: true,
});
