//! Who may have a proposal erased.

use super::*;
use crate::domain::{
    fixture::*,
    observation::{Permission, Seen},
};

fn may(story: &Story, account: AccountId) -> Result<(), NotErased> {
    let operation = &story.case.proposal.binding.operation;
    erasable(&story.policy, operation, &story.seen, account)
}

fn team(name: &str) -> TeamName {
    name.parse().unwrap()
}

#[test]
fn whoever_is_accountable_and_the_owners_of_the_rules_may_and_nobody_else() {
    let story = Story::high();
    assert_eq!(
        teams(&story.policy, &story.case.proposal.binding.operation),
        [team("finance"), team("treasury")]
    );
    for account in [ALICE, BOB, CAROL, CAROL_ON_CALL] {
        assert_eq!(may(&story, account), Ok(()), "{account}");
    }
    for account in [DAVE, ERIN] {
        let no = may(&story, account).unwrap_err();
        assert!(no.to_string().ends_with("ask finance or treasury"), "{no}");
    }
    for account in [ME, AccountId(2003), AccountId(77)] {
        assert_eq!(may(&story, account), Err(NotErased::Nobody), "{account}");
    }
    // What the catalog knows no more has nobody accountable but the owners of the rules.
    let gone = erasable(&story.policy, &"gone.away".parse().unwrap(), &story.seen, BOB);
    assert_eq!(gone, Ok(()));
}

#[test]
fn i09_membership_and_permission_are_looked_up_again_and_a_failed_look_denies() {
    let without = |change: &dyn Fn(&mut Story)| {
        let story = Story::high().but(change);
        may(&story, ALICE)
    };
    let unread = || Seen::unknown("GitHub did not answer");
    let left = without(&|story| {
        story
            .seen
            .memberships
            .insert(team("finance"), Seen::Known([BOB].into()));
    });
    assert!(matches!(left, Err(NotErased::NotAccountable { .. })), "{left:?}");
    let unseen = without(&|story| {
        story.seen.memberships.insert(team("finance"), unread());
    });
    assert_eq!(unseen, Err(NotErased::Unread));
    let missing = without(&|story| story.seen.memberships.clear());
    assert_eq!(missing, Err(NotErased::Unread));
    let reader = without(&|story| {
        story
            .seen
            .permissions
            .insert(ALICE, Seen::Known(Permission::Read));
    });
    assert!(
        matches!(reader, Err(NotErased::NotAccountable { .. })),
        "{reader:?}"
    );
    let unknown = without(&|story| story.seen.permissions.clear());
    assert_eq!(unknown, Err(NotErased::Unread));
}

#[test]
fn it_takes_a_reason_and_may_name_the_proposal() {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let wish = |text: &str| asked(text).unwrap().unwrap();
    assert_eq!(
        wish("  /erase as the owner asks\nmore"),
        Erasure {
            proposal: None,
            reason: "as the owner asks".into()
        }
    );
    assert_eq!(
        wish(&format!("/erase {id} as the owner asks")),
        Erasure {
            proposal: Some(id.parse().unwrap()),
            reason: "as the owner asks".into()
        }
    );
    for text in ["/erase", &format!("/erase {id}"), "/erase \u{202e}x"] {
        assert!(asked(text).unwrap().is_err(), "{text}");
    }
    for text in ["", "please /erase it", "/erased it", "/ERASE it"] {
        assert_eq!(asked(text), None, "{text}");
    }
}
