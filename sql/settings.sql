-- Settings: ann.simd.

-- the library defines its settings when it is loaded
LOAD 'ann';
SHOW ann.simd;
SET ann.simd = 'none';
SELECT '[1,2,3]'::vector <-> '[4,6,3]';
SET ann.simd = 'auto';
SELECT '[1,2,3]'::vector <-> '[4,6,3]';
SET ann.simd = 'sse';
-- no machine has both families: one of the two is refused
DO $$
DECLARE
	refused int := 0;
	level text;
BEGIN
	FOREACH level IN ARRAY ARRAY['neon', 'avx2']
	LOOP
		BEGIN
			PERFORM set_config('ann.simd', level, false);
		EXCEPTION WHEN invalid_parameter_value THEN
			refused := refused + 1;
		END;
	END LOOP;
	RAISE NOTICE 'some level refused: %', refused > 0;
END $$;
RESET ann.simd;
SELECT name, setting, enumvals, context FROM pg_settings WHERE name LIKE 'ann.%' ORDER BY name;
