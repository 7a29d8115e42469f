//! Co-authors named in commit messages. INVARIANT i08.

use crate::domain::ids::AccountId;

const TRAILER: &str = "co-authored-by:";

/// The accounts of all co-author lines of a message, wherever they stand; `None` for one that can't be attributed.
pub(super) fn co_authors(message: &str, noreply: &str) -> Vec<Option<AccountId>> {
    message
        .lines()
        .map(str::trim)
        .filter_map(|line| {
            let (head, rest) = line.split_at_checked(TRAILER.len())?;
            head.eq_ignore_ascii_case(TRAILER).then_some(rest)
        })
        .map(|rest| account(rest, noreply))
        .collect()
}

/// The account of `Name <ID+login@users.noreply.github.com>`.
fn account(rest: &str, noreply: &str) -> Option<AccountId> {
    let (_, address) = rest.trim_end().strip_suffix('>')?.rsplit_once('<')?;
    let (mailbox, host) = address.trim().split_once('@')?;
    let (id, login) = mailbox.split_once('+')?;
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    (host.eq_ignore_ascii_case(noreply) && digits && !login.is_empty())
        .then(|| id.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOREPLY: &str = "users.noreply.github.com";

    #[test]
    fn noreply_addresses_name_their_account() {
        let message = "Pay\n\nWords.\n\nCo-authored-by: Ann <42+ann@users.noreply.github.com>\r\n  CO-AUTHORED-BY:Bo <7+bo-x@USERS.noreply.github.com>  ";
        assert_eq!(
            co_authors(message, NOREPLY),
            [Some(AccountId(42)), Some(AccountId(7))]
        );
    }

    #[test]
    fn whoever_cannot_be_attributed_is_still_counted() {
        for line in [
            "Co-authored-by: Ann <ann@example.com>",
            "Co-authored-by: Ann <ann@users.noreply.github.com>",
            "Co-authored-by: Ann <+42+ann@users.noreply.github.com>",
            "Co-authored-by: Ann <42+@users.noreply.github.com>",
            "Co-authored-by: Ann <42+ann@users.noreply.github.com.example.com>",
            "Co-authored-by: Ann",
            "co-authored-by:",
        ] {
            assert_eq!(co_authors(line, NOREPLY), [None], "{line}");
        }
    }

    #[test]
    fn other_lines_name_nobody() {
        assert!(co_authors("Pay\n\nSigned-off-by: Ann <a@b>\nco-authored", NOREPLY).is_empty());
        assert!(co_authors("ünïcödé – 🙂🙂🙂🙂🙂🙂", NOREPLY).is_empty());
    }
}
