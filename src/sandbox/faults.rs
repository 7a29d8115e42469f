//! Faults of the API and of Git over HTTP, as state: the next requests of a kind fail in a chosen way.
use std::time::Duration;

/// How a request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Primary rate limit: 403, nothing remaining, reset after this many seconds. No effect.
    PrimaryLimit {
        /// Seconds until the limit resets.
        reset_in: u64,
    },
    /// Secondary rate limit: this status (403 or 429) with `retry-after` in seconds. No effect.
    SecondaryLimit {
        /// 403 or 429.
        status: u16,
        /// Value of `retry-after`.
        retry_after: u64,
    },
    /// This status before anything took effect.
    Before {
        /// 500, 502, 503 ...
        status: u16,
    },
    /// This status and message before anything took effect, such as 405 and "Base branch was modified".
    Refuse {
        /// 405, 409, 422 ...
        status: u16,
        /// GitHub's message.
        message: String,
    },
    /// This status although the effect took place.
    After {
        /// 500, 502, 504 ...
        status: u16,
    },
    /// The right answer, late.
    Slow {
        /// How late.
        by: Duration,
    },
    /// The right status with an empty body.
    Empty,
    /// The right status with half of the body.
    Truncated,
}

/// The next `times` requests that match fail.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The method, or any.
    pub method: Option<String>,
    /// A path after `/api/v3` (`/repos/*/pulls/*/merge`), or one of Git's (`/acme/ops.git/git-receive-pack`); `*` stands
    /// for any run of characters.
    pub path: String,
    /// What happens.
    pub failure: Failure,
    /// How often.
    pub times: usize,
}

impl Fault {
    /// A fault for the next request of this method whose path matches.
    pub fn once(method: &str, path: &str, failure: Failure) -> Self {
        Self {
            method: Some(method.to_owned()),
            path: path.to_owned(),
            failure,
            times: 1,
        }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.times > 0
            && self
                .method
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && glob(&self.path, path)
    }
}

/// Takes the first fault that matches, counting it down.
pub(crate) fn take(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<Failure> {
    let fault = faults.iter_mut().find(|fault| fault.matches(method, path))?;
    fault.times -= 1;
    let failure = fault.failure.clone();
    faults.retain(|fault| fault.times > 0);
    Some(failure)
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((literal, rest)) => text.strip_prefix(literal).is_some_and(|tail| {
            rest.is_empty()
                || tail
                    .char_indices()
                    .any(|(at, _)| tail.get(at..).is_some_and(|tail| glob(rest, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stand_for_anything() {
        assert!(glob("/repos/*/pulls/*/merge", "/repos/a/b/pulls/1/merge"));
        assert!(!glob("/repos/*/pulls/*/merge", "/repos/a/b/pulls/1"));
        assert!(glob("*", "/anything"));
    }
}
