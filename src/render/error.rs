//! Why something could not be put into words.

/// Why something could not be put into words; nothing is ever cut to make it fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The catalog's `describe` template does not fit the parameters.
    #[error("the `describe` template of `{action}` failed: {why}; correct it in catalog.yaml")]
    Describe {
        /// The action.
        action: String,
        /// What the template engine says.
        why: String,
    },
    /// The line that approvers read first has no text.
    #[error("the `describe` template of `{0}` gave no text; correct it in catalog.yaml")]
    Nothing(String),
    /// The line that approvers read first is longer than it may be.
    #[error("the summary has {have} characters, {max} at most; shorten the parameters that it shows")]
    Summary {
        /// How long it is.
        have: usize,
        /// How long it may be.
        max: usize,
    },
    /// The text is longer than GitHub takes. INVARIANT i26.
    #[error("`{what}` has {have} characters and GitHub takes {max}; split the proposal into smaller ones")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// How long it is.
        have: usize,
        /// How long it may be.
        max: usize,
    },
    /// One of the program's own templates failed.
    #[error("the template `{name}` failed: {why}")]
    Template {
        /// The template.
        name: &'static str,
        /// What the template engine says.
        why: String,
    },
    /// The proposal can't be written as YAML.
    #[error(transparent)]
    Write(#[from] crate::domain::source::WriteError),
}
