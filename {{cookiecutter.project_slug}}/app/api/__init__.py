"""HTTP layer: routes, middlewares, error responses, pagination and the OpenAPI document."""
