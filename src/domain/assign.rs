//! Who satisfies what: one person satisfies one requirement, so the right people must not be wasted on the wrong one.

/// A place that an approver could take: the requirement, and the team it would be taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the requirement.
    pub requirement: usize,
    /// Index of the team; approvals of one requirement come from teams that differ.
    pub team: usize,
}

/// Gives as many approvers as possible a place, none twice, no `(requirement, team)` twice, and no requirement more
/// approvers than it needs (augmenting paths, so never fewer than any other assignment). INVARIANT i09.
///
/// `choices` lists each approver's possible places, `needs` the approvers each requirement needs. Returns each
/// approver's place.
pub fn assign(choices: &[Vec<Place>], needs: &[usize]) -> Vec<Option<Place>> {
    let mut places: Vec<Option<Place>> = vec![None; choices.len()];
    let mut seen = vec![false; choices.len()];
    for approver in 0..choices.len() {
        seen.fill(false);
        augment(approver, choices, needs, &mut places, &mut seen);
    }
    places
}

/// Tries to give one approver a place, moving others to places of equal worth where that helps.
fn augment(
    approver: usize,
    choices: &[Vec<Place>],
    needs: &[usize],
    places: &mut [Option<Place>],
    seen: &mut [bool],
) -> bool {
    let Some(mine) = choices.get(approver) else {
        return false;
    };
    if seen.get(approver).copied().unwrap_or(true) {
        return false;
    }
    if let Some(flag) = seen.get_mut(approver) {
        *flag = true;
    }
    for place in mine {
        let need = needs.get(place.requirement).copied().unwrap_or(0);
        if need == 0 {
            continue;
        }
        let taken = |other: &Option<Place>| other.is_some_and(|other| other.requirement == place.requirement);
        let full = places.iter().filter(|other| taken(other)).count() >= need;
        let same_team = places.iter().position(|other| *other == Some(*place));
        let holders: Vec<usize> = match same_team {
            Some(holder) => vec![holder],
            None if full => (0..places.len())
                .filter(|i| places.get(*i).is_some_and(taken))
                .collect(),
            None => Vec::new(),
        };
        if holders.is_empty() {
            set(places, approver, *place);
            return true;
        }
        for holder in holders {
            let held = places.get(holder).copied().flatten();
            // The holder's place is handed over before the holder looks for another one.
            clear(places, holder);
            set(places, approver, *place);
            if augment(holder, choices, needs, places, seen) {
                return true;
            }
            clear(places, approver);
            if let Some(held) = held {
                set(places, holder, held);
            }
        }
    }
    false
}

fn set(places: &mut [Option<Place>], approver: usize, place: Place) {
    if let Some(slot) = places.get_mut(approver) {
        *slot = Some(place);
    }
}

fn clear(places: &mut [Option<Place>], approver: usize) {
    if let Some(slot) = places.get_mut(approver) {
        *slot = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best(choices: &[Vec<Place>], needs: &[usize], taken: &mut Vec<Place>, from: usize) -> usize {
        let Some(mine) = choices.get(from) else {
            return taken.len();
        };
        let mut most = best(choices, needs, taken, from + 1);
        for place in mine {
            let used = taken
                .iter()
                .filter(|other| other.requirement == place.requirement)
                .count();
            if used < needs[place.requirement] && !taken.contains(place) {
                taken.push(*place);
                most = most.max(best(choices, needs, taken, from + 1));
                taken.pop();
            }
        }
        most
    }

    proptest! {
        #[test]
        fn i09_as_many_as_any_other_assignment_and_never_one_twice(
            choices in prop::collection::vec(prop::collection::vec((0usize..3, 0usize..3), 0..4), 0..6),
            needs in prop::collection::vec(0usize..3, 3),
        ) {
            let choices: Vec<Vec<Place>> = choices
                .into_iter()
                .map(|places| places.into_iter().map(|(requirement, team)| Place { requirement, team }).collect())
                .collect();
            let places = assign(&choices, &needs);
            let given: Vec<Place> = places.iter().flatten().copied().collect();
            for (i, place) in places.iter().enumerate() {
                if let Some(place) = place {
                    prop_assert!(choices[i].contains(place));
                    prop_assert_eq!(given.iter().filter(|other| *other == place).count(), 1);
                }
            }
            for (requirement, need) in needs.iter().enumerate() {
                prop_assert!(given.iter().filter(|place| place.requirement == requirement).count() <= *need);
            }
            prop_assert_eq!(given.len(), best(&choices, &needs, &mut Vec::new(), 0));
        }
    }

    #[test]
    fn i09_somebody_who_could_take_two_places_is_not_wasted() {
        let place = |requirement, team| Place { requirement, team };
        let places = assign(&[vec![place(0, 0), place(0, 1)], vec![place(0, 0)]], &[2]);
        assert_eq!(places, [Some(place(0, 1)), Some(place(0, 0))]);
    }
}
