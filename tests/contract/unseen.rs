//! Codes that no test of the contract has answered, and why not: one that is missing here and is not seen fails, and so does one that is seen.

/// Codes that no test here can have answered, and why not.
pub(crate) const UNSEEN: &[(&str, &[&str])] = &[
    (
        "the disk would have to fail, or the host to be wrong",
        &[
            "closed",
            "component_not_stored",
            "data_damaged",
            "disk_low",
            "data_out_of_order",
            "definition_not_readable",
            "disk_failed",
            "durability_unknown",
            "effect_not_noted",
            "host_failed",
            "journal_not_readable",
            "run_waits",
            "state_not_readable",
        ],
    ),
    (
        "the host would have to be started again with another key, or with one that it refuses to start with",
        &["master_key_malformed", "master_key_not_readable", "secret_altered", "secret_of_other_key"],
    ),
    ("another test here shows it", &["master_key_missing"]),
    (
        "there would have to be an identity provider; tests of identities have one",
        &["identity_unavailable", "identity_unmapped", "token_expired", "token_refused"],
    ),
    ("it takes a minute or more", &["answer_too_slow", "body_too_slow"]),
    ("whoever breaks off does not read the answer", &["body_broken"]),
    (
        "what is asked and what is there would have to change at the same instant",
        &["draining", "key_exists", "tenant_unknown", "tenant_standing", "version_being_pushed", "too_many_pushes"],
    ),
    (
        "over HTTP something before it refuses the same: bodies are JSON, components as long as bodies, names of keys short",
        &["component_too_large", "digest_mismatch", "input_not_json", "who_length", "component_not_installed", "plugin_not_used"],
    ),
    (
        "tests of the sandbox show them one by one",
        &[
            "compile_failed",
            "compile_out_of_memory",
            "compile_timeout",
            "component_feature_not_offered",
            "component_has_too_many",
            "component_instantiates_foreign",
            "component_is_native_code",
            "component_malformed",
            "component_name_not_plain",
            "component_nested_too_deep",
            "component_not_compilable",
            "import_mistyped",
            "import_not_offered",
            "manifest_malformed",
            "manifest_unanswered",
            "step_mistyped",
            "step_not_exported",
        ],
    ),
    (
        "a thousand of something; tests of the rules show them",
        &["backup_running", "secrets_too_many", "too_many_demands", "too_many_followers", "too_many_keys"],
    ),
    ("tests of demands show them", &["handler_missing", "handler_not_compensating", "step_waits", "unknown_plugin"]),
];
