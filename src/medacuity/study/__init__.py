"""Rating studies: what people see. The server knows neither torch nor numpy."""
