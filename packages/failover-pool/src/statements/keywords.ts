/** Words that decide whether `word (` is the call of a function (pg_get_keywords(), PostgreSQL 18). */
const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Reserved, or names of columns and types only: unquoted and without a schema they never name a function. */
export const neverFunctions = words(`
  all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
  current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
  distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
  leading limit localtime localtimestamp not null offset on only or order placing primary references returning select
  session_user some symmetric system_user table then to trailing true union unique user using variadic when where
  window with
  between bigint bit boolean char character coalesce dec decimal exists extract float greatest grouping inout int
  integer interval json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar
  json_serialize json_table json_value least merge_action national nchar none normalize nullif numeric out overlay
  position precision real row setof smallint substring time timestamp treat trim values varchar xmlattributes
  xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
`);

/** Clauses that look like a call behind a closing bracket: `count(*) filter (...) over (...)`. */
export const clausesBehindBrackets = words("filter over");

/** Volatile or clock-like, without effects of their own: run again, they may answer differently. */
export const volatileButHarmless = words(`
  array_sample array_shuffle current_query random random_normal clock_timestamp timeofday gen_random_uuid uuidv4 uuidv7 currval lastval
  pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
  pg_sleep pg_sleep_for pg_sleep_until pg_is_in_recovery pg_last_wal_receive_lsn pg_last_wal_replay_lsn
  pg_last_xact_replay_timestamp pg_current_wal_lsn pg_current_wal_flush_lsn pg_current_wal_insert_lsn
  pg_stat_get_activity pg_lock_status pg_show_all_settings pg_relation_size pg_total_relation_size pg_table_size
  pg_indexes_size pg_database_size pg_tablespace_size pg_sequence_last_value pg_isolation_test_session_is_blocked
  pg_blocking_pids pg_safe_snapshot_blocking_pids pg_notification_queue_usage pg_get_replication_slots
  pg_stat_get_wal_senders pg_control_checkpoint pg_control_system pg_control_recovery pg_control_init
  pg_prepared_statement pg_prepared_xact pg_cursor txid_current txid_current_if_assigned pg_current_xact_id
  pg_current_xact_id_if_assigned pg_xact_status txid_status pg_get_wal_replay_pause_state pg_is_wal_replay_paused
`);

/** The same within one transaction, another in the next: now() and its kin. */
export const volatileByTransaction = words(`
  now transaction_timestamp statement_timestamp txid_current pg_current_xact_id pg_backend_pid pg_current_snapshot
  txid_current_snapshot inet_server_addr inet_server_port current_setting age version
  current_timestamp current_time current_date localtime localtimestamp
`);

/** Hold until the session ends, whatever becomes of the transaction. */
export const sessionLocks = words(`
  pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_advisory_unlock
  pg_advisory_unlock_shared pg_advisory_unlock_all
`);

/**
 * PostgreSQL's own functions that people write into queries and that are immutable or stable: no effects. Shorter
 * than the truth; what is not here makes a SELECT a "call".
 */
export const harmless = words(`
  abs acos age any_value array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims
  array_position array_positions array_prepend array_remove array_replace array_reverse
  array_sort array_to_json array_to_string array_upper ascii asin atan atan2 avg bit_and bit_count bit_length bit_or
  bit_xor bool_and bool_or btrim cardinality casefold cbrt ceil ceiling char_length character_length chr
  col_description concat concat_ws convert convert_from convert_to corr cos cosh cot count covar_pop covar_samp
  crc32 crc32c cume_dist current_database current_schema current_schemas current_setting date date_add
  date_bin date_part date_subtract date_trunc decode degrees dense_rank div encode enum_first enum_last enum_range
  erf every exp factorial family first_value floor format format_type gamma gcd generate_series generate_subscripts
  get_bit get_byte has_column_privilege has_database_privilege has_schema_privilege has_sequence_privilege
  has_table_privilege has_any_column_privilege has_function_privilege hashtext hashtextextended host hostmask
  inet_client_addr inet_client_port inet_server_addr inet_server_port initcap isempty isfinite json_agg
  json_agg_strict json_array_elements json_array_elements_text json_array_length json_build_array json_build_object
  json_each json_each_text json_extract_path json_extract_path_text json_object_agg json_object_keys
  json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof
  jsonb_agg jsonb_agg_strict jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array
  jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
  jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
  jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax
  jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval
  lag last_value lcm lead left length lgamma ln log log10 lower lower_inc lower_inf lpad ltrim make_date
  make_interval make_time make_timestamp make_timestamptz masklen max md5 min min_scale mod mode multirange netmask
  network now nth_value ntile num_nonnulls num_nulls numnode obj_description octet_length parse_ident percent_rank
  percentile_cont percentile_disc pg_backend_pid pg_char_to_encoding pg_client_encoding pg_column_size
  pg_conf_load_time pg_current_snapshot pg_describe_object pg_encoding_to_char pg_function_is_visible
  pg_get_constraintdef pg_get_expr pg_get_function_arguments pg_get_function_identity_arguments
  pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_partkeydef pg_get_ruledef
  pg_get_serial_sequence pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_index_column_has_property
  pg_lsn_larger pg_my_temp_schema pg_postmaster_start_time pg_size_bytes pg_size_pretty pg_table_is_visible
  pg_type_is_visible pg_typeof pg_wal_lsn_diff pi plainto_tsquery phraseto_tsquery power quote_ident quote_literal
  quote_nullable radians range_agg range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like
  regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx
  regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right
  round row_number row_to_json rpad rtrim scale set_bit set_byte set_masklen setweight sha224 sha256 sha384 sha512
  shobj_description sign sin sinh split_part sqrt starts_with statement_timestamp stddev stddev_pop stddev_samp
  string_agg string_to_array string_to_table strip strpos substr sum tan tanh
  text to_ascii to_bin to_char to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regnamespace
  to_regproc to_regprocedure to_regrole to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp
  translate trim_array trim_scale trunc ts_delete ts_filter ts_headline ts_rank ts_rank_cd tsvector_to_array unistr
  unnest upper upper_inc upper_inf uuid_extract_timestamp uuid_extract_version var_pop var_samp variance version
  websearch_to_tsquery width_bucket xmlagg xml_is_well_formed xpath xpath_exists
  like notlike ilike overlaps
  int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange tsmultirange
  tstzmultirange datemultirange
`);

export const modifyingVerbs = words("insert update delete merge");
