//! What can be done to proposals, by whom it may be and by whom it may not.

use proptest::prelude::*;

use super::{
    super::Outcome,
    world::{PEOPLE, What},
};

pub(super) const SUPPLIERS: [&str; 2] = ["ACME", "Globex"];
pub(super) const PAYERS: [&str; 2] = ["payments-agent", "support-agent"];

/// Something used once that is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reused {
    Nothing,
    Key,
    Nonce,
    Id,
}

/// What is wrong about an entry that would be taken otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoil {
    Nothing,
    /// The other role writes it.
    Role,
    /// The other role's key signs it.
    Key,
    /// Before the entry in front of it.
    Early,
    /// Not in the next place.
    Gap,
    /// With another action's digest.
    Action,
}

/// An entry about a proposal, whether or not it is its time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Open {
        pull_of: Option<usize>,
        base: bool,
        text: bool,
    },
    Edit(usize),
    Exclude {
        items: &'static [u8],
        person: bool,
    },
    Merge {
        by: Option<usize>,
    },
    End(&'static str),
    Superseded,
    Begin {
        instance: usize,
        ahead: bool,
        resumable: bool,
        thaws: bool,
        plan: Option<u8>,
        claim: bool,
        items: bool,
    },
    Step {
        instance: usize,
        item: u8,
        undo: bool,
    },
    Finish {
        instance: usize,
        outcome: Outcome,
    },
    Lose {
        instance: usize,
        stopped: bool,
    },
    Thaw {
        freeze: usize,
    },
    Resolve {
        person: bool,
        ran: bool,
    },
    Erase {
        person: bool,
    },
    Incident,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Propose {
        what: What,
        reused: Reused,
        of: usize,
        counted: bool,
        rules: bool,
        replaces: Option<usize>,
    },
    /// What its agent makes of it anew.
    Revise(usize),
    /// What a person makes of it.
    Amend {
        n: usize,
        who: usize,
    },
    /// Whatever would come next if all went well.
    Onward(usize),
    Record {
        n: usize,
        event: Word,
        spoil: Spoil,
    },
    Vote {
        n: usize,
        who: usize,
        says: &'static str,
        heard: bool,
    },
    Retract {
        n: usize,
        vote: usize,
        edited: bool,
        heard: bool,
    },
    Head {
        n: usize,
        foreign: bool,
    },
    Text {
        n: usize,
        foreign: bool,
    },
    Close {
        n: usize,
        closed: bool,
    },
    /// A merge on GitHub, by the bot or by somebody.
    Merge {
        n: usize,
        by: Option<usize>,
    },
    Race(usize),
    Look(usize),
    Due(usize),
    Freeze {
        over: Option<&'static str>,
        person: bool,
    },
    Weather {
        protected: bool,
        same_rules: bool,
        clock_right: bool,
    },
    Pass(i64),
    Restart,
    Again,
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        1 => Just(What::Note),
        3 => (1..3_u8).prop_map(|items| What::Mail { items }),
        5 => (prop::sample::select(&PAYERS[..]), prop::sample::select(&SUPPLIERS[..]), 1..500_i64)
            .prop_map(|(agent, supplier, minor)| What::Pay { agent, supplier, minor }),
        1 => (0..3_u64).prop_map(|freeze| What::Thaw { freeze }),
    ]
}

fn n() -> std::ops::Range<usize> {
    0..6
}

fn word() -> impl Strategy<Value = Word> {
    let yes = || prop::bool::weighted(0.9);
    let ends = [
        "voided",
        "denied",
        "expired",
        "cancelled",
        "bypassed",
        "policy_changed",
        "refused_after_merge",
    ];
    let outcomes = [
        Outcome::Executed,
        Outcome::Refused,
        Outcome::Errored,
        Outcome::Undone,
        Outcome::Partial,
    ];
    let items: [&'static [u8]; 6] = [&[1], &[2], &[1, 2], &[9], &[2, 2], &[]];
    let plan = prop_oneof![8 => Just(Some(0)), 1 => Just(Some(1)), 1 => Just(None)];
    prop_oneof![
        3 => (prop::option::weighted(0.1, n()), yes(), yes())
            .prop_map(|(pull_of, base, text)| Word::Open { pull_of, base, text }),
        1 => (0..PEOPLE.len()).prop_map(Word::Edit),
        2 => (prop::sample::select(items.to_vec()), yes()).prop_map(|(items, person)| Word::Exclude { items, person }),
        2 => prop::option::weighted(0.2, 0..PEOPLE.len()).prop_map(|by| Word::Merge { by }),
        3 => prop::sample::select(ends.to_vec()).prop_map(Word::End),
        1 => Just(Word::Superseded),
        5 => ((0..2_usize, prop::bool::weighted(0.1), any::<bool>(), prop::bool::weighted(0.1)), (plan, yes(), yes()))
            .prop_map(|((instance, ahead, resumable, thaws), (plan, claim, items))| {
                Word::Begin { instance, ahead, resumable, thaws, plan, claim, items }
            }),
        2 => (0..2_usize, 1..3_u8, any::<bool>())
            .prop_map(|(instance, item, undo)| Word::Step { instance, item, undo }),
        3 => (0..2_usize, prop::sample::select(outcomes.to_vec()))
            .prop_map(|(instance, outcome)| Word::Finish { instance, outcome }),
        3 => (0..2_usize, any::<bool>()).prop_map(|(instance, stopped)| Word::Lose { instance, stopped }),
        1 => (0..3_usize).prop_map(|freeze| Word::Thaw { freeze }),
        2 => (yes(), any::<bool>()).prop_map(|(person, ran)| Word::Resolve { person, ran }),
        2 => yes().prop_map(|person| Word::Erase { person }),
        1 => Just(Word::Incident),
    ]
}

/// One act.
pub(super) fn act() -> impl Strategy<Value = Act> {
    let spoils = [Spoil::Role, Spoil::Key, Spoil::Early, Spoil::Gap, Spoil::Action];
    let spoil = prop_oneof![4 => Just(Spoil::Nothing), 1 => prop::sample::select(spoils.to_vec())];
    let reused = [Reused::Key, Reused::Nonce, Reused::Id];
    let reused = prop_oneof![6 => Just(Reused::Nothing), 1 => prop::sample::select(reused.to_vec())];
    let who = || 0..PEOPLE.len();
    let says = [
        "approved",
        "approved",
        "approved",
        "changes_requested",
        "commented",
    ];
    let over = [
        None,
        Some("payments.create"),
        Some("campaigns.send"),
        Some("crm.note"),
        Some("support-agent"),
    ];
    let yes = |often: f64| prop::bool::weighted(often);
    prop_oneof![
        9 => (what(), reused, n(), (yes(0.85), yes(0.95)), prop::option::weighted(0.1, n())).prop_map(
            |(what, reused, of, (counted, rules), replaces)| Act::Propose { what, reused, of, counted, rules, replaces }
        ),
        1 => n().prop_map(Act::Revise),
        2 => (n(), who()).prop_map(|(n, who)| Act::Amend { n, who }),
        22 => n().prop_map(Act::Onward),
        24 => (n(), word(), spoil).prop_map(|(n, event, spoil)| Act::Record { n, event, spoil }),
        8 => (n(), who(), prop::sample::select(says.to_vec()), yes(0.85))
            .prop_map(|(n, who, says, heard)| Act::Vote { n, who, says, heard }),
        2 => (n(), 0..4_usize, any::<bool>(), any::<bool>())
            .prop_map(|(n, vote, edited, heard)| Act::Retract { n, vote, edited, heard }),
        1 => (n(), any::<bool>()).prop_map(|(n, foreign)| Act::Head { n, foreign }),
        1 => (n(), any::<bool>()).prop_map(|(n, foreign)| Act::Text { n, foreign }),
        1 => (n(), any::<bool>()).prop_map(|(n, closed)| Act::Close { n, closed }),
        3 => (n(), prop::option::weighted(0.3, who())).prop_map(|(n, by)| Act::Merge { n, by }),
        6 => n().prop_map(Act::Race),
        5 => n().prop_map(Act::Look),
        3 => n().prop_map(Act::Due),
        2 => (prop::sample::select(over.to_vec()), yes(0.9)).prop_map(|(over, person)| Act::Freeze { over, person }),
        1 => (yes(0.7), yes(0.7), yes(0.7)).prop_map(|(protected, same_rules, clock_right)| {
            Act::Weather { protected, same_rules, clock_right }
        }),
        6 => prop_oneof![6 => 1..30_i64, 2 => 30..300_i64, 1 => 300..3_000_i64].prop_map(Act::Pass),
        1 => Just(Act::Restart),
        1 => Just(Act::Again),
    ]
}
