greatest(1, l.ttl_s / 3)
