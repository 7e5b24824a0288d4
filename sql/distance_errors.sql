-- Distances asked for wrongly: different dimensions, values outside a space's domain, parameters outside their limits.

-- dimensions
SELECT '[1,2]'::vector <-> '[3]';
SELECT inner_product('[1,2]'::vector, '[3]');
SELECT '[1,2]'::vector <#> '[3]';
SELECT '[1,2]'::vector <=> '[3]';
SELECT '[1,2]'::vector <+> '[3]';
SELECT '[1,2]'::vector <^> '[3]';
SELECT '[1,2]'::vector <@> '[3]';
SELECT '[1,2]'::vector <|> '[3]';
SELECT '[1,2]'::vector <|^|> '[3]';
SELECT '[1,2]'::vector ||> '[3]';
SELECT '[1,2]'::vector <|| '[3]';
SELECT '[1,2]'::vector |+> '[3]';
SELECT '[1,2]'::vector |/> '[3]';
SELECT '[1,2]'::vector <*> lp('[3]', 3);
SELECT lp('[3]', 3) <*> '[1,2]'::vector;
SELECT lp_distance('[1,2]', '[3]', 2);
SELECT vector_l2_squared_distance('[1,2]', '[3]');
SELECT vector_spherical_distance('[1,2]', '[3]');
SELECT '[1,2]'::halfvec <-> '[3]';
SELECT '[1,2]'::halfvec <#> '[3]';
SELECT '[1,2]'::halfvec <=> '[3]';
SELECT '[1,2]'::halfvec <+> '[3]';
SELECT '[1,2]'::halfvec <^> '[3]';
SELECT '[1,2]'::halfvec <@> '[3]';
SELECT '[1,2]'::vector <-> '[3]'::vector FROM generate_series(1, 0);

-- domain, of the object and of the query
SELECT js_divergence('[1,-0.5]', '[1,1]');
SELECT js_metric('[1,1]', '[-1,1]');
SELECT '[0,1]'::vector <|> '[-0,1]';
SELECT kl_divergence('[1,1,-1]', '[1,1,1]');
SELECT '[1,1]'::vector ||> '[1,-1]';
SELECT '[1,-1]'::vector <|| '[1,1]';
SELECT generalized_kl_divergence('[1,-1]', '[1,1]');
SELECT '[1,1]'::vector |+> '[1,-1]';
SELECT '[1,1]'::vector <+| '[1,-1]';
SELECT itakura_saito('[1,0]', '[1,1]');
SELECT '[1,1]'::vector |/> '[1,0]';
SELECT '[1,1]'::vector </| '[1,-2]';
SELECT renyi_divergence('[1,0]', '[1,1]', 2);
SELECT '[1,1]'::vector <*> renyi('[-1,1]', 2);
SELECT alphabeta_divergence('[1,-1]', '[1,1]', 1, 1);
SELECT '[1,1]'::vector <*> alphabeta('[-1,1]', 1, 1);

-- a failed query is not remembered as a good one
SELECT v ||> q FROM (VALUES ('[1,1]'::vector, '[1,1]'::vector), ('[1,1]', '[1,-1]'), ('[1,1]', '[1,-1]')) t(v, q);

-- parameters
SELECT lp_distance('[1]', '[2]', 0);
SELECT lp_distance('[1]', '[2]', -1);
SELECT lp_distance('[1]', '[2]', 'NaN');
SELECT lp_distance('[1]', '[2]', 'Infinity');
SELECT renyi_divergence('[1]', '[1]', 1);
SELECT renyi_divergence('[1]', '[1]', 0);
SELECT renyi_divergence('[1]', '[1]', 'NaN');
SELECT alphabeta_divergence('[1]', '[1]', 'NaN', 1);
SELECT alphabeta_divergence('[1]', '[1]', 1, 'Infinity');
SELECT lp_distance('[1]', '[2]', p) FROM (VALUES (1), (0)) t(p);
SELECT lp_distance(NULL, '[1]', 1), lp_distance('[1]', '[1]', NULL), '[1]'::vector <-> NULL;

-- the error's code
DO $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY ARRAY['SELECT ''[1]''::vector <-> ''[1,2]''', 'SELECT kl_divergence(''[-1]'', ''[1]'')', 'SELECT lp(''[1]'', 0)', 'SELECT ''[4e38]''::vector', 'SELECT ''[1''::vector', 'SELECT ''[NaN]''::vector', 'SELECT ''[1]''::vector(2)', 'SELECT ''[1]''::vector(0)', 'SELECT ''{NULL}''::int[]::vector']
	LOOP
		BEGIN
			EXECUTE statement;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '% % %', SQLSTATE, statement, SQLERRM;
		END;
	END LOOP;
END $$;
