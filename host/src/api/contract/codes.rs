//! Codes that many operations share, by what makes them possible.

/// Whoever asks is not known.
pub(super) const TOKEN: &[&str] = &[
    "token_missing",
    "token_malformed",
    "token_refused",
    "token_expired",
    "identity_unmapped",
    "identity_unavailable",
    "key_unknown",
    "key_revoked",
    "key_expired",
];
/// A tenant or something of it is looked at.
pub(super) const LOOKS: &[&str] = &[];
/// A tenant or something of it is changed.
pub(super) const CHANGES: &[&str] =
    &["tenant_suspended", "tenant_deleted", "tenant_unknown", "durability_unknown", "closed", "data_out_of_order"];
/// There is a body.
pub(super) const BODY: &[&str] = &["body_broken", "body_too_large", "body_too_slow", "media_type_not_taken", "encoding_not_taken"];
/// Whatever is asked under `/v1`.
const HOST: &[&str] = &["answer_too_slow", "host_failed", "disk_failed", "data_damaged"];

/// Reading a run again.
pub(in crate::api) const JOURNAL: &[&str] =
    &["unknown_run", "journal_not_readable", "definition_not_readable", "component_not_stored"];
/// Asking something of a run.
pub(in crate::api) const DEMAND: &[&str] = &[
    "key_reused",
    "key_length",
    "reason_length",
    "too_many_demands",
    "who_length",
    "run_waits",
    "state_not_readable",
    "effect_not_noted",
    "master_key_missing",
    "secret_of_other_key",
    "secret_altered",
];
/// A component is checked and compiled.
pub(in crate::api) const COMPONENT: &[&str] = &[
    "digest_mismatch",
    "component_too_large",
    "component_is_text",
    "component_is_native_code",
    "component_is_core_module",
    "component_is_not_webassembly",
    "component_malformed",
    "component_nested_too_deep",
    "component_has_too_many",
    "component_feature_not_offered",
    "component_name_not_plain",
    "component_instantiates_foreign",
    "import_not_offered",
    "import_mistyped",
    "step_not_exported",
    "step_mistyped",
    "component_not_compilable",
    "compile_timeout",
    "compile_out_of_memory",
    "compile_failed",
    "manifest_unanswered",
    "manifest_malformed",
    "host_not_granted",
];

/// What every operation at this path may answer.
pub(super) fn of_all(path: &str) -> Vec<&'static str> {
    let mut codes = vec!["parameter_unknown"];
    if path.starts_with("/v1") {
        codes.extend(HOST);
    }
    // What is in braces and is no such thing is told like what nobody has.
    if path.contains('{') {
        codes.push("not_found");
    }
    codes
}
