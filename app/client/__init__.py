"""Commands that call the API over HTTP. Nothing of the server is needed here."""
