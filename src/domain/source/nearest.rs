//! The valid name that a mistyped one most likely meant.

/// The candidate that `name` most likely meant; nothing when none is close. Ties go to the first.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().take(MAX_CHARS).collect();
    let allowed = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names are shorter; a hostile one must not cost more.
const MAX_CHARS: usize = 100;

/// Insertions, deletions, replacements and swaps of neighbours, case aside (optimal string alignment).
fn distance(name: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().take(MAX_CHARS).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=candidate.len()).collect();
    let mut previous: Option<char> = None;
    for (row, &a) in name.iter().enumerate() {
        let mut next = vec![row + 1];
        let mut left: Option<char> = None;
        for (column, &b) in candidate.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let differs = usize::from(!a.eq_ignore_ascii_case(&b));
            let mut cost = (get(&last, column) + differs)
                .min(get(&last, column + 1) + 1)
                .min(get(&next, column) + 1);
            if let (Some(p), Some(l)) = (previous, left)
                && p == b
                && l == a
                && column > 0
            {
                cost = cost.min(get(&before, column - 1) + 1);
            }
            next.push(cost);
            left = Some(b);
        }
        before = last;
        last = next;
        previous = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_name_is_found_and_far_ones_are_not() {
        let names = ["payments-agent", "campaign-agent", "support-agent"];
        assert_eq!(nearest("payment-agent", names), Some("payments-agent"));
        assert_eq!(nearest("paymetns-agent", names), Some("payments-agent"));
        assert_eq!(nearest("Support-Agent", names), Some("support-agent"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("ab", ["ba"]), Some("ba"));
        assert_eq!(distance(&['a', 'b'], "ba"), 1);
        assert_eq!(distance(&['k', 'i', 't', 't', 'e', 'n'], "sitting"), 3);
    }
}
