"""Languages, segmentation, and the names of countries and cities in CLDR."""
