"""What HTTP asks of every endpoint: admission, negotiation, conditions, problems and the OpenAPI document."""
