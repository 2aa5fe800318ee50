-- Seconds between two pulses: a third of the lease's time, so that two pulses may get lost.
-- Needs: l, a row of leases.
greatest(1, l.ttl_s / 3)
