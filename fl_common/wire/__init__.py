"""Messages between server and sites, as Flower records."""
