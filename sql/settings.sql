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

-- Misspelt settings are errors where the server can tell (15); pgvector's, which has no use here, is not.
CREATE FUNCTION is_refused(setting text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(setting, '1', false);
	RETURN false;
EXCEPTION WHEN invalid_name THEN
	RETURN true;
END $$;
SELECT setting, is_refused(setting) = (current_setting('server_version_num')::int >= 150000) AS as_expected
FROM unnest('{ann.sind,hnsw.ef_serach,vptree.alfa_left}'::text[]) setting;
SELECT is_refused('hnsw.scan_mem_multiplier');
SHOW hnsw.scan_mem_multiplier;
SET hnsw.scan_mem_multiplier = 0.5;
SET hnsw.scan_mem_multiplier = 1001;
RESET hnsw.scan_mem_multiplier;
DROP FUNCTION is_refused;
