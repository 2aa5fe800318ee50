-- For how long a task waits after an attempt that failed or expired. The tenth more or less comes from a hash, so that it
-- is the same at every look. The exponent is bounded, as power overflows.
-- Needs: t, a row of tasks; l, one with the attempt.
case when t.retry is null then interval '0' else
    least(
        (t.retry ->> 'max_s')::double precision,
        (t.retry ->> 'backoff_s')::double precision * power(
            (t.retry ->> 'factor')::double precision,
            least(l.attempt - 1, 690 / nullif(ln((t.retry ->> 'factor')::double precision), 0))
        )
    )
    * (0.9 + 0.2 * ('x' || left(md5(t.id::text || ' ' || l.attempt), 8))::bit(32)::bigint / 4294967295)
    * interval '1 second'
end
