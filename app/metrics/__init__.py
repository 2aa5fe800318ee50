"""What Prometheus scrapes: request counters, and collectors that read their figures at the moment of a scrape."""
