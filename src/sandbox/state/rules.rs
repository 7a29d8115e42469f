//! Rulesets and classic branch protection.
use jiff::Timestamp;
use serde_json::Value;

#[derive(Debug, Clone)]
pub(crate) struct Ruleset {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) enforcement: String,
    /// As given: `actor_id`, `actor_type`, `bypass_mode`.
    pub(crate) bypass: Vec<Value>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    /// As given: `type`, `parameters`.
    pub(crate) rules: Vec<Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Ruleset {
    pub(crate) fn matches(&self, reference: &str, default_branch: &str) -> bool {
        let kind = match self.target.as_str() {
            "tag" => "refs/tags/",
            _ => "refs/heads/",
        };
        if self.enforcement != "active" || !reference.starts_with(kind) {
            return false;
        }
        let hit = |pattern: &String| match pattern.as_str() {
            "~ALL" => true,
            "~DEFAULT_BRANCH" => reference.strip_prefix("refs/heads/") == Some(default_branch),
            other => fnmatch(other, reference),
        };
        self.include.iter().any(hit) && !self.exclude.iter().any(hit)
    }
}

/// Classic protection of the branches that match one pattern.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protection {
    pub(crate) strict: bool,
    /// `None` when no status checks are required.
    pub(crate) checks: Option<Vec<RequiredCheck>>,
    pub(crate) enforce_admins: bool,
    /// `None` when no reviews are required.
    pub(crate) reviews: Option<RequiredReviews>,
    /// `None` when anyone with write access may push.
    pub(crate) restrictions: Option<Restrictions>,
    pub(crate) linear_history: bool,
    pub(crate) allow_force_pushes: bool,
    pub(crate) allow_deletions: bool,
    pub(crate) lock_branch: bool,
    pub(crate) conversation_resolution: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RequiredCheck {
    pub(crate) context: String,
    pub(crate) app_id: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequiredReviews {
    pub(crate) count: u64,
    pub(crate) dismiss_stale: bool,
    pub(crate) code_owners: bool,
    pub(crate) last_push: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Restrictions {
    pub(crate) users: Vec<u64>,
    pub(crate) teams: Vec<u64>,
    pub(crate) apps: Vec<u64>,
}

/// Ruby's `File.fnmatch` with `FNM_PATHNAME`, as far as branch patterns use it: `*` and `?` stop at `/`, `**` does not.
pub(crate) fn fnmatch(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    matches_from(&pattern, &text)
}

fn matches_from(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', '*', '/', rest @ ..] => {
            matches_from(rest, text)
                || (0..text.len()).any(|at| {
                    text.get(at) == Some(&'/')
                        && text.get(at + 1..).is_some_and(|tail| matches_from(rest, tail))
                })
        }
        ['*', '*', rest @ ..] => {
            (0..=text.len()).any(|at| text.get(at..).is_some_and(|tail| matches_from(rest, tail)))
        }
        ['*', rest @ ..] => {
            let reach = text.iter().position(|&c| c == '/').unwrap_or(text.len());
            (0..=reach).any(|at| text.get(at..).is_some_and(|tail| matches_from(rest, tail)))
        }
        ['?', rest @ ..] => {
            matches!(text, [first, tail @ ..] if *first != '/' && matches_from(rest, tail))
        }
        [literal, rest @ ..] => {
            matches!(text, [first, tail @ ..] if first == literal && matches_from(rest, tail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fnmatch;

    #[test]
    fn patterns_match_as_branch_rules_do() {
        assert!(fnmatch("refs/heads/proposals/**", "refs/heads/proposals/a/b"));
        assert!(fnmatch("refs/heads/proposals/**/*", "refs/heads/proposals/a"));
        assert!(fnmatch("refs/heads/*", "refs/heads/main"));
        assert!(!fnmatch("refs/heads/*", "refs/heads/a/b"));
        assert!(fnmatch("main", "main"));
        assert!(!fnmatch("main", "mainly"));
    }
}
