// Shows the OpenAPI document with Swagger UI. Nothing leaves this server: no validator badge, no query of other hosts.

window.SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#api",
  presets: [window.SwaggerUIBundle.presets.apis],
  validatorUrl: null, // the default asks validator.swagger.io
  queryConfigEnabled: false, // a link must not point the page at another document
  persistAuthorization: false, // a key stays in memory only
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
});
