//! Which executions that nobody approved are looked at afterwards, as `sample_review` of the low gate asks.
//!
//! The choice is made by the digest of the `finished` entry, so that anybody who has the record makes it again. That entry
//! names the digest of the one before it and its own time, place and answers of the target: an agent can't foresee it, and
//! no choice is written down that could be left out later.

use super::ids::Digest;

/// Whether the execution that ended with this entry is looked at, when so many of a hundred are.
///
/// The first eight bytes of the digest, as a number written big end first, lie below that share of all such numbers. So
/// whoever is chosen at 5% is chosen at 10% too.
pub fn is_chosen(finished: &Digest, percent: u8) -> bool {
    let first = finished.as_bytes().iter().take(8);
    let number = first.fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    (number * 100) >> 64 < u128::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_at_nothing_all_at_a_hundred_and_about_the_share_between() {
        let digests = || (0..20_000_u32).map(|n| Digest::of(&n.to_be_bytes()));
        let count = |percent| digests().filter(|digest| is_chosen(digest, percent)).count();
        assert_eq!((count(0), count(100)), (0, 20_000));
        for percent in [1, 5, 50] {
            let (found, wanted) = (count(percent), 200 * usize::from(percent));
            assert!(found.abs_diff(wanted) < 200, "{percent}%: {found}");
        }
        assert!(digests().all(|digest| !is_chosen(&digest, 5) || is_chosen(&digest, 10)));
    }

    #[test]
    fn the_choice_is_that_of_the_digest_s_first_bytes() {
        let digest = |first: [u8; 2]| {
            let mut bytes = [0xff; 32];
            bytes[..2].copy_from_slice(&first);
            Digest::from_bytes(bytes)
        };
        // A twentieth of 65,536 is 3,276.8.
        assert!(is_chosen(&digest([0x0c, 0xcb]), 5));
        assert!(!is_chosen(&digest([0x0c, 0xcd]), 5));
        assert!(is_chosen(&digest([0xff, 0xff]), 100));
    }
}
