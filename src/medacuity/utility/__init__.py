"""Does generated data make a better model? Arms, amounts and seeds, compared in pairs."""
