//! What an expression may name.

use crate::domain::policy::{param::ParamPath, schema::ParamSchema};

/// The names that an expression may use.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub(super) params: Option<&'a ParamSchema>,
    pub(super) sensitive: &'a [ParamPath],
    pub(super) totals: Option<&'a [String]>,
    pub(super) observed: bool,
    pub(super) claimed: bool,
    pub(super) action: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// Every variable, with any parameters: for rules that several actions share.
    pub const fn any() -> Self {
        Self {
            params: None,
            sensitive: &[],
            totals: None,
            observed: true,
            claimed: true,
            action: None,
        }
    }
    /// Asked of one action, known by its name.
    #[must_use]
    pub const fn of_action(self, action: &'a str) -> Self {
        Self {
            action: Some(action),
            ..self
        }
    }
    /// The parameters of one action, without those that are sealed (INVARIANT i29).
    pub(in crate::domain::policy) const fn with_params(
        self,
        schema: &'a ParamSchema,
        sensitive: &'a [ParamPath],
    ) -> Self {
        Self {
            params: Some(schema),
            sensitive,
            ..self
        }
    }
    /// The names of the limits whose totals may be read.
    #[must_use]
    pub const fn with_totals(self, totals: &'a [String]) -> Self {
        Self {
            totals: Some(totals),
            ..self
        }
    }
    /// Without `change` and `affected`, for an action that nothing observes.
    #[must_use]
    pub const fn without_observed(self) -> Self {
        Self {
            observed: false,
            ..self
        }
    }
    /// Without `claimed`, where what only the agent says must not count. INVARIANT i13.
    #[must_use]
    pub const fn without_claims(self) -> Self {
        Self {
            claimed: false,
            ..self
        }
    }
}
