-- What is no whole event is not recorded, and what 0.1.0 asks of Discord is doubted like what this release asks.
SET LOCAL check_function_bodies = off;  -- there is no schema of that name

-- Tell whether a document is a whole event of this release: its type, each field that the type needs, and in every
-- field what it may hold. Of fields that have other names nothing is said: a newer release may have more.
--
-- No key may be there twice: `jsonb` keeps the last one, and who reads the log sees the first. Then it has fewer
-- quotation marks. Nor may a number be 1.0 or 1e2, of which it makes 1 and 100. Of all that may be in the place of a
-- number only numbers lie between two.
CREATE FUNCTION is_event(document text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    fields jsonb := document;
    least_number CONSTANT jsonb := '0';
    most CONSTANT jsonb := '999999999999999';  -- in milliseconds since 1970, the year 33658
    nothing CONSTANT jsonb := 'null';
    is_whole boolean;
BEGIN
    IF (fields -> 'at' BETWEEN least_number AND most AND strpos(document, chr(92)) = 0
        AND document !~ '[0-9][.eE]'
        AND octet_length(replace(document, '"', '')) - octet_length(document)
            = octet_length(replace(fields::text, '"', '')) - octet_length(fields::text)
    ) IS NOT TRUE THEN
        RETURN false;
    END IF;
    CASE fields ->> 'type'
        WHEN 'TimerSet' THEN
            is_whole := fields -> 'duration_ms' BETWEEN least_number AND most
                AND fields -> 'expires_at' BETWEEN least_number AND most
                AND fields ? 'warning_minutes'
                AND coalesce(jsonb_typeof(fields -> 'added') = 'boolean', true);
        WHEN 'TimeAdded', 'TimeRemoved' THEN
            is_whole := fields -> 'duration_ms' BETWEEN least_number AND most
                AND (coalesce(fields -> 'expires_at', nothing) = nothing
                    OR fields -> 'expires_at' BETWEEN least_number AND most)
                AND (coalesce(fields -> 'remaining_ms', nothing) = nothing
                    OR fields -> 'remaining_ms' BETWEEN least_number AND most);
        WHEN 'Paused' THEN
            is_whole := fields -> 'remaining_ms' BETWEEN least_number AND most;
        WHEN 'Resumed' THEN
            is_whole := fields -> 'expires_at' BETWEEN least_number AND most AND fields ? 'warning_minutes';
        WHEN 'Cleared' THEN
            is_whole := fields -> 'remaining_ms' BETWEEN least_number AND most
                AND coalesce(
                    fields -> 'reason' = ANY (
                        ARRAY['"asked"', '"role_deleted"', '"taken_by_hand"', '"erased"']::jsonb[]
                    ), true
                )
                AND coalesce(fields -> 'because' = '"server_given_up"'::jsonb, true);
        WHEN 'WarningSent' THEN
            is_whole := fields -> 'minutes' BETWEEN least_number AND most
                AND fields -> 'expires_at' BETWEEN least_number AND most;
        WHEN 'Expired' THEN
            is_whole := true;
        ELSE
            is_whole := false;
    END CASE;
    RETURN is_whole
        AND coalesce((fields -> 'warning_minutes')::text ~ '^[[]([0-9]{1,8}(, [0-9]{1,8})*)?[]]$', true)
        AND (
            coalesce(fields -> 'warn_channel_id', nothing) = nothing
            OR jsonb_typeof(fields -> 'warn_channel_id') = 'string'
                AND our_schema.is_id(fields ->> 'warn_channel_id')
        );
END
$$;
REVOKE ALL ON FUNCTION is_event FROM PUBLIC;

-- As in 0010, but for what a document is.
CREATE OR REPLACE FUNCTION is_recordable(sources text[], kinds text[], documents text[])
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    document text;
BEGIN
    IF (sources <@ '{slash,sweeper,discord,import,cli}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'events have no source %', sources USING ERRCODE = 'check_violation';
    END IF;
    IF (kinds <@ '{give_role,take_role,notice}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'effects have no kind %', kinds USING ERRCODE = 'check_violation';
    END IF;
    FOREACH document IN ARRAY documents LOOP
        IF our_schema.is_event(document) IS NOT TRUE THEN
            RAISE EXCEPTION 'that is no event: %', document USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF pg_client_encoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'events are hashed in UTF8, and the client speaks %', pg_client_encoding()
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- It would not see what it has waited for.
        RAISE EXCEPTION 'appends are read committed, and this transaction is %',
            current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    RETURN true;
END
$$;

-- A process of 0.1.0 notes no doubt of the role changes that it asks for. It is noted for it, as `attempt_effect` of
-- this release does; what came of the attempt takes it back, unless an earlier one is in doubt, or it was given up.
CREATE FUNCTION doubt_attempt() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.attempted_at IS NOT NULL THEN
        NEW.look_again_at := coalesce(OLD.look_again_at, NEW.attempted_at + interval '30 seconds');
        NEW.looks := 0;
    ELSIF NEW.state <> 'superseded' AND OLD.look_again_at = OLD.attempted_at + interval '30 seconds' THEN
        NEW.look_again_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION doubt_attempt FROM PUBLIC;
COMMENT ON FUNCTION doubt_attempt IS 'for processes of 0.1.0; leaves in the release after 0.2.0';

-- This release sets `look_again_at` with `attempted_at`, so that the function is not called for it.
CREATE TRIGGER attempts_of_the_release_before BEFORE UPDATE OF attempted_at ON effects
    FOR EACH ROW WHEN (
        OLD.kind <> 'notice' AND NEW.attempted_at IS DISTINCT FROM OLD.attempted_at
        AND NEW.look_again_at IS NOT DISTINCT FROM OLD.look_again_at
    )
    EXECUTE FUNCTION doubt_attempt();

SET LOCAL check_function_bodies = on;
CALL name_schema('our_schema', current_schema());
