//! Every code that a problem may have: its status, what it means and what helps. The one table that answers, the description of the API,
//! `GET /errors/{code}` and `docs/errors.md` are made of. Codes never change their meaning; a new meaning is a new code.

/// What there is to know about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) struct Code {
    /// The code itself.
    pub(in crate::api) name: &'static str,
    /// The status of an answer that has it, always the same one.
    pub(in crate::api) status: u16,
    /// In a few words, the same for each answer.
    pub(in crate::api) title: &'static str,
    /// What it means.
    pub(in crate::api) means: &'static str,
    /// What helps.
    pub(in crate::api) remedy: &'static str,
}

/// The code of this name; none: nobody may answer it.
pub(in crate::api) fn code(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.name == name)
}

macro_rules! codes {
    ($($status:literal { $($code:ident: $title:literal, $means:literal, $remedy:literal;)* })*) => {
        /// All of them, by status.
        pub(in crate::api) const CODES: &[Code] = &[$($(
            Code { name: stringify!($code), status: $status, title: $title, means: $means, remedy: $remedy },
        )*)*];
    };
}

codes! {
    400 {
        body_broken: "The body broke off", "The connection ended before the body was whole.", "Send it again.";
        body_malformed: "The body is not what is asked for", "It is not JSON, or a field is missing, unknown or of another kind. `detail` says where.", "Compare it with the request body in `/openapi.json`.";
        cursor_malformed: "The cursor is none", "`cursor` is not one that a page of this list gave.", "Begin without one, and pass on `next_cursor` as it is.";
        event_id_malformed: "The id of an event is none", "`Last-Event-ID` is not the id of an event of this lane.", "Pass on the `id` of the last event that you have, or leave it out to begin with the first.";
        key_malformed: "The idempotency key is not ASCII", "`Idempotency-Key` has characters that are not visible ASCII.", "Use letters and digits, such as the id of your order.";
        limit_out_of_range: "The limit is out of range", "`limit` is not between 1 and the most that this list gives.", "Ask for less, and for the next page with `cursor`.";
        parameter_unknown: "The query has a parameter that there is not", "A mistyped parameter would be ignored silently otherwise.", "`detail` names those that there are.";
        plugin_name: "The name of the plugin is none", "Names have 1 to 64 lower-case letters, digits, `-`, `_` or `.`, and begin with a letter or a digit.", "Choose another name.";
        plugin_version: "The version is none", "Versions have 1 to 64 letters, digits, `.`, `-` or `+`.", "Choose another version, such as 1.4.0.";
        precondition_malformed: "The precondition is none", "`If-Match` or `If-None-Match` is neither `*` nor a list of entity tags in quotes.", "Pass on the `ETag` of an answer as it is.";
        query_malformed: "The query is not what is asked for", "A parameter is missing, stands there twice or is of another kind.", "`detail` says which.";
        secret_name: "The name of the secret is none", "Names have 1 to 64 lower-case letters, digits, `-`, `_` or `.`, and begin with a letter or a digit.", "Choose another name.";
        signal_name: "The name of the signal is none", "Names have 1 to 64 lower-case letters, digits, `-`, `_` or `.`, and begin with a letter or a digit.", "Use the name that the saga waits for.";
        wait_malformed: "The wait is no span of time", "`wait` is not a whole number and `ms`, `s` or `m`.", "Write `30s`.";
        wait_too_long: "The wait is too long", "`wait` is longer than 60 seconds.", "Wait for less and ask again, or follow the events.";
        webhook_name: "The name of the webhook is none", "Names have 1 to 64 lower-case letters, digits, `-`, `_` or `.`, and begin with a letter or a digit.", "Choose another name.";
    }
    401 {
        key_expired: "The key expired", "The token is right, and the time of its key is over.", "Ask an administrator of the tenant for another key.";
        key_revoked: "The key was revoked", "The token is right, and somebody took its key away.", "Ask an administrator of the tenant for another key.";
        key_unknown: "The token belongs to no key", "There is no key with this token. Whether there is one with this id is not told.", "Check which token the program was given.";
        token_expired: "The token expired", "The token of the identity provider is right, and its time is over.", "Sign in again.";
        token_malformed: "The token is none", "What was shown is not `Bearer amt_…`, or it was mistyped: the last digits check the others.", "Copy the whole token.";
        token_missing: "There is no token", "The request has no header `Authorization`.", "Send `Authorization: Bearer amt_…`.";
        token_refused: "The token of the identity provider is refused", "It is not the provider's, not for this host, not valid yet or altered. The log of the host says which, under the id of the request.", "Sign in again; if that does not help, tell the operator the id of the request.";
    }
    403 {
        identity_unmapped: "The token makes nobody of whoever shows it", "It is right, and names no role that means one here, or no tenant.", "Ask whoever runs the identity provider for the claims that docs/tenants.md names.";
        not_allowed: "The role does not allow this", "It is yours to know of, not to do.", "`detail` names the roles that may.";
        tenant_suspended: "The tenant is suspended", "It is looked at, and only operators change anything.", "An operator has to reopen it; `GET /v1/tenants/{tenant}` says why it was suspended.";
    }
    404 {
        not_found: "There is no such thing", "There is none, or it is another tenant's: the two are never told apart.", "Check the path, and whose key the token is of.";
        not_granted: "The place is not granted", "The plugin has no grant for this place.", "`GET …/grants` lists those that it has.";
        tenant_unknown: "There is no such tenant", "It was not created.", "An operator creates it.";
        unknown_dead_letter: "There is no such dead letter", "The run has no dead letter at this step.", "`GET …/dead-letters` lists those that there are.";
        unknown_key: "There is no such key", "The tenant has no key with this id.", "`GET …/keys` lists those that there are.";
        unknown_record: "There is no such record", "The lane has no record with this number.", "`GET …/audit/head` says how many there are.";
        unknown_run: "There is no such run", "The tenant has no run with this id.", "`GET …/runs` lists those that there are.";
        unknown_saga: "There is no such saga", "The tenant has no saga of this name.", "Apply it first.";
        unknown_secret: "There is no such secret", "The tenant has no secret of this name.", "Set it first.";
        unknown_version: "The saga has no such version", "Versions are numbered from 1, and this one is not there.", "Leave `version` out for the newest.";
        version_unknown: "The plugin has no such version", "It was never published, or it was deleted.", "`GET …/plugins/{plugin}` lists those that there are.";
        webhook_unknown: "There is no such webhook", "The tenant has no webhook of this name.", "List those that there are.";
    }
    405 {
        method_not_allowed: "The path is there, this method is not", "The header `Allow` names those that there are.", "Compare the request with `/openapi.json`.";
    }
    406 {
        not_acceptable: "There is no such form of it", "`Accept` names neither `application/json` nor `text/event-stream`.", "Name one of them, or leave the header out.";
    }
    408 {
        body_too_slow: "The body arrives too slowly", "It was not whole in time.", "Send it again over a faster connection.";
    }
    409 {
        grants_too_many: "There are too many grants", "A plugin has at most 64.", "Revoke one first, or grant `*.example.com`.";
        key_exists: "There is such a key already", "Its id was used before.", "Ask again.";
        key_name_taken: "The name of the key is taken", "Another key that opens something has it.", "Revoke that one first, or choose another name.";
        key_reused: "The key was used for something else", "An idempotency key stands for what was asked with it first.", "Use another key for something else, and the same body for the same.";
        not_a_dead_letter: "The step is no dead letter", "It does not wait for a person.", "Look at the run: it may have gone on.";
        nothing_to_retry: "Nothing waits for another attempt", "A retry starts at once what waits for its next attempt, and nothing does.", "Look at the run.";
        past_pivot: "The run is past its pivot", "Nothing is taken back any more.", "It goes forward until it is done or stuck.";
        resolution_unfit: "The step cannot stand so", "A run that goes back has steps that are undone, one past its pivot steps that are done.", "Resolve it as the other.";
        run_ended: "The run has ended", "What is asked needs one that is open.", "`compensate` takes back a run that succeeded.";
        run_open: "The run is open", "What is asked needs one that succeeded.", "`cancel` takes back an open run.";
        second_person_needed: "A second person is needed", "The tenant asks for two people, and the same one said it twice.", "Have somebody with another key confirm it.";
        secrets_too_many: "There are too many secrets", "A tenant has at most 1000.", "Remove one first.";
        signal_not_awaited: "The run waits for this signal no more", "It came before, or the run goes back.", "Look at the run.";
        tenant_deleted: "The tenant was deleted", "Names are not used again: what it did is in its chain for ever.", "Choose another name.";
        tenant_exists: "There is such a tenant already", "Names are given once.", "Choose another name.";
        tenant_has_open_runs: "The tenant has open runs", "A tenant that is deleted has nothing that could still be taken back.", "Cancel or kill its runs first.";
        tenant_is_host: "The tenant is the host itself", "It cannot be suspended or deleted: nobody could come in to undo that.", "Revoke keys that must open nothing any more.";
        tenant_standing: "The tenant stands so already", "It was suspended or reopened before.", "Nothing is to be done.";
        too_many_demands: "The run has had too many demands", "So that nobody in a loop fills its journal.", "Cancel or kill it.";
        too_many_keys: "There are too many keys", "A tenant has at most 1000 that open something.", "Revoke one first.";
        too_many_plugins: "There are too many plugins", "The tenant's limit `plugins` is reached.", "Delete one first, or have an operator raise the limit.";
        too_many_signals: "Too many signals wait to be taken", "A run keeps so many for steps that do not wait yet.", "Signal again when a step has taken one.";
        too_many_versions: "The plugin has too many versions", "It has at most 100 at a time.", "Delete one first.";
        too_many_webhooks: "There are too many webhooks", "The tenant's limit `webhooks` is reached.", "Remove one first, or have an operator raise the limit.";
        version_being_pushed: "The version is being pushed", "Another component is being checked under this version.", "Wait for it, or push another version.";
        version_exists: "There is such a version already", "A version means one component as long as there is such a version.", "Push another version.";
        version_pinned: "An open run pins the version", "It may be needed to take something back.", "Delete it when the run has ended.";
    }
    412 {
        precondition_failed: "It is not as you thought", "`If-Match` names another version than there is, or `If-None-Match: *` was sent and there is one.", "Read it again, and decide anew.";
    }
    413 {
        body_too_large: "The body is too large", "`detail` says how many bytes are allowed.", "Send less: large things belong elsewhere, and their address into the input.";
        component_too_large: "The component is too large", "`detail` says how many bytes are allowed.", "Build it for size, without symbols.";
        input_too_long: "The input is too long", "An input has at most 256 KiB.", "Put what is large elsewhere, and its address into the input.";
        payload_too_long: "The payload is too long", "A payload has at most 256 KiB.", "Put what is large elsewhere, and its address into the payload.";
        too_many_keys_at_once: "Too many keys at once", "At most 1000 keys of the state are written together.", "Write them in parts.";
        value_too_long: "The value is too long", "A value of the state has at most 256 KiB.", "Put what is large elsewhere, and its address into the state.";
    }
    415 {
        encoding_not_taken: "The body is encoded", "The host does not unpack bodies: what is small when it comes may be large.", "Send it without `Content-Encoding`.";
        media_type_not_taken: "The body is of another kind", "`Content-Type` names something that this is not asked with.", "`detail` names what is taken; without the header it is taken as that.";
    }
    422 {
        begin_too_late: "The run would begin too late", "At most ten years ahead are allowed.", "Begin it earlier.";
        compile_failed: "The component cannot be compiled", "The compiler gave up.", "Build it again with a release of the toolchain that `docs` name.";
        compile_out_of_memory: "Compiling takes too much memory", "More than is allowed for one component.", "Make it smaller, or split it.";
        compile_timeout: "Compiling takes too long", "More than is allowed for one component.", "Make it smaller, or split it.";
        component_feature_not_offered: "The component needs a feature that is not offered", "`detail` names it.", "Build it without.";
        component_has_too_many: "The component has too many of something", "`detail` names what, how many and how many are allowed.", "Make it smaller.";
        component_instantiates_foreign: "The component instantiates what it imports", "Only components and modules of its own are run.", "Build it whole.";
        component_is_core_module: "The upload is a core module", "It is WebAssembly, and not a component.", "Wrap it: `amends plugin build`, or `wasm-tools component new`.";
        component_is_native_code: "The upload is native code", "Only WebAssembly is taken; the host compiles it itself.", "Upload the component that was built before.";
        component_is_not_webassembly: "The upload is no WebAssembly", "It does not begin as WebAssembly does.", "Check which file is uploaded.";
        component_is_text: "The upload is WebAssembly text", "Only the binary form is taken.", "Assemble it first.";
        component_malformed: "The component is malformed", "`detail` says where.", "Build it again.";
        component_name_not_plain: "The component has a name with control characters", "Such names deceive whoever reads them.", "Choose other names.";
        component_nested_too_deep: "The component is nested too deep", "`detail` says how deep it may be.", "Compose it flatter.";
        component_not_compilable: "The component cannot be compiled", "`detail` says what the compiler says.", "Build it again.";
        component_not_installed: "The component is not installed", "A redrive names one that the tenant does not have.", "Push it first.";
        digest_mismatch: "The component is not what its digest says", "It was altered on its way.", "Send it again.";
        expiry_passed: "The key would have expired already", "`expires_at` is over.", "Write an instant that is to come, or leave it out.";
        grant_refused: "There can be no such grant", "`detail` says what is wrong with the place or the methods.", "Write `api.example.com`, `*.example.com` or `HOST:PORT`.";
        handler_missing: "The plugin has no such handler", "The corrected plugin does not have the handler that the step uses.", "Push one that has it.";
        handler_not_compensating: "The handler cannot be compensated", "The corrected plugin says that the handler has no compensation, and the step needs one.", "Push one that has it.";
        host_not_granted: "The plugin sends requests, and may not", "It imports `wasi:http/outgoing-handler`, and no place is granted to it.", "`PUT …/plugins/{plugin}/grants/{place}` first.";
        import_mistyped: "An import has another type", "`detail` names it.", "Build it with the WIT of this release.";
        import_not_offered: "The component imports what is not offered", "`detail` names all of it.", "Build it without.";
        input_not_json: "The input is not JSON", "`detail` says where.", "Send JSON.";
        key_length: "The key is empty or too long", "`detail` says how many bytes are allowed.", "Choose a shorter one.";
        key_not_plain: "The key has control characters", "Keys of the state are read by people.", "Choose another one.";
        limit_too_small: "It is more than the limit allows", "`limit` names it. Waiting does not help: there is never room for so much.", "Ask for less, or have an operator raise the limit.";
        limits_refused: "The limits are wrong", "`errors` has every mistake with its field.", "Correct all of them.";
        manifest_malformed: "The manifest is wrong", "What the component's `describe` gives is not a manifest.", "Correct the plugin; `detail` says what is wrong.";
        manifest_unanswered: "The component gives no manifest", "Its `describe` failed, or took more than it may.", "Correct the plugin.";
        payload_not_json: "The payload is not JSON", "`detail` says where.", "Send JSON.";
        plugin_not_used: "The step uses another plugin", "A redrive names a component of a plugin that the step does not use.", "Name one of the plugin that it uses.";
        reason_length: "The reason is too long", "`detail` says how many bytes are allowed.", "Say it shorter.";
        reason_missing: "A reason is needed", "What is asked is on record for ever, and so is why.", "Give a `reason`.";
        role_not_of_tenant: "A tenant has no operators", "Only keys of the host have this role.", "Create it for the tenant `host`.";
        saga_name_differs: "The document is of another saga", "The path names one saga, the document another.", "Apply it under its own name.";
        saga_refused: "The saga is wrong", "`errors` has every mistake with its place in the document.", "Correct all of them.";
        secret_length: "The secret is empty or too long", "`detail` says how many bytes are allowed.", "Put what is longer elsewhere.";
        secret_not_plain: "The secret has control characters", "It could not stand in a header; an end of line is not seen.", "Send it without.";
        step_mistyped: "The component exports another kind of step", "`detail` says what is different.", "Build it with the WIT of this release.";
        step_not_exported: "The component exports no step", "It has no `amends:saga/step`.", "Build it with an SDK, or export it by hand.";
        step_waits: "The step waits and has no plugin", "Nothing of it can be corrected with a component.", "Redrive it without one.";
        text_length: "A text is empty or too long", "`detail` says which and how many bytes are allowed.", "Say it shorter.";
        unknown_plugin: "The saga uses a plugin that is not installed", "It was deleted since the saga was applied.", "Push it again.";
        unknown_signal: "No step waits for such a signal", "`detail` names the signals of the saga.", "Use one of them.";
        unknown_step: "The saga has no such step", "`detail` names the saga.", "Use the id of a step of it.";
        webhook_overlap: "The overlap is out of range", "`overlap` is no span of time, or longer than 7 days.", "Write one such as `24h`, or leave it out for a day.";
        webhook_refused: "There can be no such webhook", "`errors` has every mistake with its field.", "Write a URL such as `https://example.com/hooks/amends`, and types such as `workflow.saga.failed` or `workflow.*`.";
        who_length: "The name of whoever asks is too long", "Records name whoever asks.", "Use a key with a shorter name.";
    }
    429 {
        limit_exceeded: "A limit is reached", "`limit` names it, and `retry_after` says when there is room, where that can be known.", "Wait, or have an operator raise the limit.";
    }
    500 {
        closed: "The host has ended", "It takes nothing any more.", "Ask again when it is back.";
        component_not_stored: "A component is missing", "A run pins it, and it is not stored.", "Tell the operator: the data file is damaged.";
        data_damaged: "What is stored is not what was stored", "A row cannot be what was written.", "Tell the operator: `amends audit verify` says where.";
        data_format_unknown: "The data file is of another release", "A later release wrote it.", "Tell the operator.";
        data_in_use: "The data file is in use", "Another process has it open.", "Tell the operator.";
        data_out_of_order: "Somebody else writes to the data file", "A commit does not follow the one before it.", "Tell the operator: two hosts must not share one file.";
        definition_not_readable: "A definition cannot be read", "A run is bound to it, and it is missing or of another release.", "Tell the operator.";
        disk_failed: "The disk failed", "The data file cannot be read or written.", "Tell the operator.";
        durability_unknown: "It is not known whether it is durable", "The disk failed while it was written. The host ends, and the next start finds what is there.", "Ask again when it is back; an idempotency key makes that safe.";
        effect_not_noted: "A request could not be noted", "What cannot be noted is not sent.", "Tell the operator.";
        host_failed: "The host made a mistake", "The log of the host says more, under the id of the request.", "Tell the operator the id of the request.";
        journal_not_readable: "A journal does not make sense", "It was not written by the rules of this release, or it was altered.", "Tell the operator: `amends audit verify` says where.";
        not_marked_closed: "The data file is not marked as closed", "Everything is durable, and the next start checks it.", "Nothing is to be done.";
        run_waits: "The run waits", "It has nothing to do for long.", "Look at the run.";
        sandbox_failed: "The sandbox failed", "The log of the host says more.", "Tell the operator.";
        secret_altered: "A secret was altered", "What is sealed is not what was sealed.", "Set it again, and tell the operator.";
        secret_of_other_key: "A secret was sealed with another key", "The host was started with another master key.", "Tell the operator.";
        state_not_readable: "The state cannot be read", "A guest was owed a value that the disk does not give.", "Tell the operator.";
    }
    503 {
        backup_running: "A backup is on its way", "One at a time.", "Try again when it is over.";
        answer_too_slow: "The answer takes too long", "What was asked may have been done nevertheless.", "Look before you ask again.";
        disk_low: "The disk is almost full", "Nothing new is taken; what is open goes on.", "Tell the operator; try again when there is room.";
        draining: "The host is ending", "It starts nothing any more.", "Try again when it is back.";
        identity_unavailable: "No key of the identity provider is known yet", "The host could not read any since it was started.", "Try again, or use a key of this host.";
        master_key_malformed: "The host's master key is none", "Without one, no secret is kept.", "Tell the operator: `AMENDS_MASTER_KEY` is wrong.";
        master_key_missing: "The host has no master key", "Without one, no secret is kept.", "Tell the operator: `AMENDS_MASTER_KEY_FILE` is not set.";
        master_key_not_readable: "The host's master key cannot be read", "Without one, no secret is kept.", "Tell the operator: `AMENDS_MASTER_KEY_FILE` names no such file.";
        too_many_followers: "Too many clients follow something", "As many as this host serves at a time.", "Try again later.";
        too_many_pushes: "Too many components are being checked", "As many as this host keeps of one tenant at a time.", "Wait for those that you have pushed.";
        too_many_uploads: "Too many components come in", "As many as this host takes at a time.", "Try again later.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("a folder of sources") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// Every text in quotes that stands where a code stands: behind one of these.
    fn said(text: &str) -> BTreeSet<String> {
        const BEFORE: [&str; 14] = [
            "unfit(",
            "return (",
            "Problem::new(",
            "Self::new(",
            "of_mistakes(",
            "wrong(",
            "code: ",
            "(|_| (",
            "=> (",
            "=> ",
            "Some(",
            "{\n    (",
            "{ (",
            "CODE: &str = ",
        ];
        let mut codes = BTreeSet::new();
        for before in BEFORE {
            for behind in text.split(before).skip(1) {
                let Some(rest) = behind.trim_start().strip_prefix('"') else { continue };
                let word = rest.split('"').next().unwrap_or_default();
                let is_code =
                    (word.contains('_') || code(word).is_some()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                codes.extend(is_code.then(|| word.to_owned()));
            }
        }
        codes
    }

    /// Where codes are given that reach HTTP.
    const GIVERS: [&str; 13] = [
        "host/src/api",
        "host/src/view/verdict.rs",
        "host/src/coordinator",
        "host/src/oidc/mod.rs",
        "host/src/sandbox/refusal.rs",
        "host/domain/src/decide/admit.rs",
        "host/domain/src/tenant/admit.rs",
        "host/domain/src/tenant/key.rs",
        "host/domain/src/access/mod.rs",
        "host/domain/src/payload.rs",
        "host/domain/src/quota/mod.rs",
        "host/domain/src/capability/mod.rs",
        "host/domain/src/definition/changes.rs",
    ];

    fn given() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_owned();
        let mut files = Vec::new();
        for giver in GIVERS {
            let path = root.join(giver);
            if path.is_dir() { sources(&path, &mut files) } else { files.push(path) }
        }
        // Tests say codes, too, and this table says all of them.
        files.retain(|path| !path.ends_with("problem/codes.rs"));
        let read = |path: &PathBuf| fs::read_to_string(path).expect("a source");
        files.iter().flat_map(|path| said(read(path).split("#[cfg(test)]").next().unwrap_or_default())).collect()
    }

    #[test]
    fn every_code_that_is_given_is_in_the_table_and_every_one_in_the_table_is_given() {
        let known: BTreeSet<String> = CODES.iter().map(|code| code.name.to_owned()).collect();
        assert_eq!(known.len(), CODES.len(), "a code stands there twice");
        // Words that stand where codes stand and are none.
        let words = BTreeSet::from(WORDS.map(str::to_owned));
        let given = given();
        let missing: Vec<_> = given.difference(&known).filter(|word| !words.contains(*word)).collect();
        assert!(missing.is_empty(), "nobody says what these mean: {missing:?}");
        let dead: Vec<_> = known.difference(&given).collect();
        assert!(dead.is_empty(), "nobody answers these: {dead:?}");
    }

    /// Codes that only the command line tells.
    const WORDS: [&str; 5] = ["backup_damaged", "backup_not_readable", "backup_not_written", "data_exists", "nothing_kept"];

    #[test]
    fn every_code_says_what_it_means_and_what_helps() {
        for Code { name, title, means, remedy, .. } in CODES {
            assert!(!title.ends_with('.') && means.ends_with('.') && remedy.ends_with('.'), "{name}");
        }
    }
}
