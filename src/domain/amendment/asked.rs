//! Who is asked to review a change of the rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{Amendment, Decided, hands_in, parties, resources};
use crate::domain::{
    ids::AccountId,
    observation::Seen,
    policy::{Account, Owner, Person},
    verdict::Standing,
};

/// The owners of every file that changes, by the rules in force and by the new ones, and the accounts by which they
/// would answer; without whoever had a hand in it, who never counts (INVARIANT i08). Nobody, while something about the
/// change itself stands against it: what can't come into force needs no reading.
pub fn asked(at: &Amendment<'_>, decided: &Decided) -> BTreeMap<Owner, BTreeSet<AccountId>> {
    let mut asked: BTreeMap<Owner, BTreeSet<AccountId>> = BTreeMap::new();
    let stands = decided.common().iter().all(|one| one.standing <= Standing::Holds);
    let Seen::Known(pull) = &at.seen.pull else {
        return asked;
    };
    let Some(hands) = hands_in(at, pull).ok().filter(|_| stands) else {
        return asked;
    };
    for policy in [Some(at.old), at.new].into_iter().flatten() {
        let parties = parties(at, policy, &hands);
        for owner in policy.owned_paths(resources(&at.change.paths)).owners() {
            let is = |person: &&Person| match owner {
                Owner::Person(name) => name == person.name(),
                Owner::Team(team) => person.teams().contains(team),
            };
            let people = policy.people().filter(is);
            let able = people.filter(|person| !parties.contains(person.name()));
            let accounts: BTreeSet<AccountId> = able.flat_map(Person::accounts).map(Account::id).collect();
            if !accounts.is_empty() {
                asked.entry(owner.clone()).or_default().extend(accounts);
            }
        }
    }
    asked
}
