"""Languages, and what is where in the world, as CLDR tells it in each of them."""
