//! The gate's rules in words: what each is about, how it stands, and what would satisfy it.

use super::markdown::Markdown;
use crate::domain::{
    case::Case,
    gate::{Because, Rule, Standing},
    ids::AccountId,
    policy::{GateRule, Policy},
    protection::Weakness,
};

/// So many are named; the others are counted.
const NAMED: usize = 12;

/// What a rule is about, in a word or two.
pub(super) const fn name(rule: Rule) -> &'static str {
    match rule {
        Rule::Life => "Proposal",
        Rule::Policy => "Rules",
        Rule::Assessment => "Risk",
        Rule::Action => "Action",
        Rule::Checks => "Checks",
        Rule::Exception => "Exception",
        Rule::Excluded => "Excluded",
        Rule::Expiry => "Deadline",
        Rule::NotBefore => "Earliest time",
        Rule::Freeze => "Freeze",
        Rule::ExecuteWithin => "Runs in time",
        Rule::Pull => "Pull request",
        Rule::Head => "Commit",
        Rule::Presentation => "Title and text",
        Rule::Commits => "Written by",
        Rule::Preview => "Seen before",
        Rule::DryRun => "Asked before",
        Rule::Protection => "Branch rules",
        Rule::Clock => "Clock",
        Rule::Owners => "Owners",
        Rule::Approvals => "Approvals",
        Rule::ChangesRequested => "Objections",
        Rule::StepUp => "Passkeys",
        Rule::Compiles => "New rules",
        Rule::UpToDate => "Up to date",
        Rule::Scope => "Other files",
        Rule::Landed => "Merge",
        Rule::NotExcepted
        | Rule::SeparationOfDuties
        | Rule::NotRecorded
        | Rule::NotAPerson
        | Rule::NotAnOwner
        | Rule::TooOld => "Does not count",
    }
}

/// A mark that reads without colour.
pub(super) const fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::Noted => "note",
        Standing::Holds => "ok",
        Standing::Missing => "**missing**",
        Standing::Blocks => "**no**",
        Standing::Errored => "**unknown**",
    }
}

/// What keeps the gate shut first, then what was noted, then what holds.
pub(super) fn worst_first<'a>(rules: impl Iterator<Item = &'a Because>) -> Vec<&'a Because> {
    let mut sorted: Vec<&Because> = rules.collect();
    sorted.sort_by_key(|one| match one.standing {
        Standing::Errored => 0,
        Standing::Blocks => 1,
        Standing::Missing => 2,
        Standing::Noted => 3,
        Standing::Holds => 4,
    });
    sorted
}

fn ours(text: &'static str) -> Markdown {
    Markdown::ours(text)
}

/// How a rule stands, and what would satisfy it.
pub(super) fn says(one: &Because, case: &Case, policy: &Policy) -> Markdown {
    if one.standing == Standing::Errored {
        return unknown(one);
    }
    let holds = matches!(one.standing, Standing::Holds | Standing::Noted);
    match (one.rule, holds) {
        (Rule::Life, true) => ours("still open"),
        (Rule::Life, false) => ours("has ended: ").then(&list(&one.who)).and("; propose it anew"),
        (Rule::Policy, true) => ours("the ones it was proposed under"),
        (Rule::Policy, false) if !one.could.is_empty() => stray(one),
        (Rule::Policy, false) => {
            ours("`policies/` changed since it was proposed; the agent must propose it anew")
        }
        (Rule::Assessment, true) => ours("same risk and check results as when it was proposed"),
        (Rule::Assessment, false) => {
            ours("risk or check results are not the same any more; the agent must propose it anew")
        }
        (Rule::Action, true) => ours("known to the catalog as proposed"),
        (Rule::Action, false) => {
            ours("the catalog does not know it as proposed; correct catalog.yaml or propose it anew")
        }
        (Rule::Checks, true) if one.who.is_empty() => ours("none failed"),
        (Rule::Checks, true) => ours("failed, and departed from: ").then(&list(&one.who)),
        (Rule::Checks, false) if one.could.is_empty() => ours("failed: ")
            .then(&list(&one.who))
            .and("; the agent must correct what the report says and propose it anew"),
        (Rule::Checks, false) => ours("failed: ")
            .then(&list(&one.who))
            .and("; the agent corrects it and proposes it anew, or ")
            .then(&some(&one.could, " or "))
            .and(" comments ")
            .then(&Markdown::code("/exception CHECK why"))
            .and(" and does not approve"),
        (Rule::Exception, _) => departed(one, case, policy),
        (Rule::NotExcepted, _) => list(&one.who)
            .and("'s exception from ")
            .then(&check_of(one))
            .and(": a party to the proposal, or not one who may grant it now"),
        (Rule::Excluded, _) => excluded(one),
        (Rule::Expiry, true) => {
            ours("can be approved until ").then(&Markdown::time(case.proposal.expires_at))
        }
        (Rule::Expiry, false) => ours("passed at ")
            .then(&Markdown::time(case.proposal.expires_at))
            .and("; the agent must propose it anew"),
        (Rule::NotBefore, true) => ours("has come"),
        (Rule::NotBefore, false) => {
            ours("waits until ").then(&Markdown::time(case.proposal.binding.valid.from))
        }
        (Rule::Freeze, true) => ours("executions are not stopped"),
        (Rule::Freeze, false) => ours("somebody stopped executions (entry ")
            .then(&list(&one.who))
            .and(" of the ledger); it waits until a proposal that thaws it ran"),
        (Rule::ExecuteWithin, true) => ours("soon enough after the merge"),
        (Rule::ExecuteWithin, false) => ours("too long after the merge; the agent must propose it anew"),
        (Rule::Pull, true) => ours("the one Countersign opened"),
        (Rule::Pull, false) => ours("is closed, a draft, or not the one Countersign opened; reopen it"),
        (Rule::Head, true) => ours("the one that was proposed"),
        (Rule::Head, false) => ours("somebody moved the branch; the agent must propose it anew"),
        (Rule::Presentation, true) => ours("as Countersign wrote them"),
        (Rule::Presentation, false) => ours("somebody edited them; Countersign puts them back"),
        (Rule::Commits, true) => ours("Countersign alone"),
        (Rule::Commits, false) => {
            ours("there are commits by others, or nobody can tell by whom; the agent must propose it anew")
        }
        (Rule::Preview, true) => ours("Countersign itself read what is affected"),
        (Rule::Preview, false) => ours(
            "Countersign could not see what is affected, and the policy wants that; give the action an `observe` in \
             catalog.yaml",
        ),
        (Rule::DryRun, true) => ours("the target said that it would do it"),
        (Rule::DryRun, false) => {
            ours("the target was not asked what it would do; the agent must propose it anew")
        }
        (Rule::Protection, _) => branch_rules(one),
        (Rule::Clock, _) => unknown(one),
        (Rule::Owners, true) => ours("named by CODEOWNERS"),
        (Rule::Owners, false) => unowned(one),
        (
            Rule::Approvals
            | Rule::ChangesRequested
            | Rule::StepUp
            | Rule::NotRecorded
            | Rule::NotAPerson
            | Rule::NotAnOwner,
            _,
        ) => of_people(one),
        (Rule::SeparationOfDuties, _) => party(one, case, policy),
        (Rule::TooOld, _) => too_old(one, policy.gate(case.tier())),
        (Rule::Compiles | Rule::UpToDate | Rule::Scope | Rule::Landed, _) => {
            ours("about a change of the rules")
        }
    }
}

/// What people said, and what it counts for; the same for a proposal and for a change of the rules.
pub(super) fn of_people(one: &Because) -> Markdown {
    let ours = Markdown::ours;
    let holds = matches!(one.standing, Standing::Holds | Standing::Noted);
    match (one.rule, holds) {
        (Rule::ChangesRequested, true) => ours("none"),
        (Rule::ChangesRequested, false) => list(&one.who)
            .and(" asked for changes; once that is settled, they approve or withdraw their review"),
        (Rule::StepUp, true) => ours("given"),
        (Rule::StepUp, false) => ours("each approver must confirm with a passkey"),
        (Rule::NotRecorded, _) => list(&one.who)
            .and("'s approval was not seen when it was given, on this commit and text; ask ")
            .then(&list(&one.who))
            .and(" to approve again"),
        (Rule::NotAPerson, false) => ours("merged by ")
            .then(&list(&one.who))
            .and(", an account that is not a person in people.yaml"),
        (Rule::NotAPerson, _) if one.who.is_empty() => ours("a review by a deleted account"),
        (Rule::NotAPerson, _) => ours("a review by ")
            .then(&list(&one.who))
            .and(", an account that is not a person in people.yaml"),
        (Rule::NotAnOwner, _) => {
            list(&one.who).and("'s approval: not an owner here, or without write access now")
        }
        _ => approvals(one),
    }
}

pub(super) fn too_old(one: &Because, gate: &GateRule) -> Markdown {
    let exception = one.section.as_ref().map(|_| check_of(one));
    let old = match &exception {
        Some(check) => list(&one.who).and("'s exception from ").then(check),
        None => list(&one.who).and("'s approval"),
    };
    let old = old.and(" is too old");
    let old = match gate.approval_valid_for() {
        Some(span) => old.and(" (it counts for ").then(&Markdown::span(span)).and(")"),
        None => old,
    };
    let again = if exception.is_some() {
        " to grant it again"
    } else {
        " to approve again"
    };
    old.and("; ask ").then(&list(&one.who)).and(again)
}

pub(super) fn unknown(one: &Because) -> Markdown {
    let what = match one.rule {
        Rule::Checks => {
            return Markdown::ours("could not run: ")
                .then(&list(&one.who))
                .and("; see the report");
        }
        Rule::Policy => "could not be read from `policies/` on the base branch",
        Rule::Pull | Rule::Head | Rule::Presentation => "could not be read",
        Rule::Commits => "the commits could not be read",
        Rule::Preview => "what is affected could not be read",
        Rule::DryRun => "what the target would do could not be asked",
        Rule::Protection => {
            return ours(
                "how the base branch and the ledger are protected could not be read; `countersign doctor` tells why, and \
                 Countersign tries again",
            );
        }
        Rule::Clock if one.who.is_empty() => "GitHub's clock could not be read",
        Rule::Clock => {
            return list(&one.who).and(
                ", so nothing opens, merges or runs: set the clock of Countersign's machine; it looks again by itself",
            );
        }
        Rule::Approvals => "reviews, permissions or teams could not be read",
        Rule::SeparationOfDuties => "who pushed, wrote or merged it could not be read",
        Rule::Life
        | Rule::Exception
        | Rule::NotExcepted
        | Rule::Excluded
        | Rule::Assessment
        | Rule::Action
        | Rule::Expiry
        | Rule::NotBefore
        | Rule::Freeze
        | Rule::ExecuteWithin
        | Rule::Owners
        | Rule::ChangesRequested
        | Rule::StepUp
        | Rule::NotRecorded
        | Rule::NotAPerson
        | Rule::NotAnOwner
        | Rule::TooOld
        | Rule::Compiles
        | Rule::UpToDate
        | Rule::Scope
        | Rule::Landed => "could not be looked at",
    };
    Markdown::ours(what).and("; Countersign tries again")
}

/// What is weak about base branch and ledger. INVARIANT i31.
pub(super) fn branch_rules(one: &Because) -> Markdown {
    if one.who.is_empty() {
        return ours("strong enough");
    }
    let says = |id: &String| Weakness::of(id).map_or_else(|| Markdown::prose(id), |weak| ours(weak.says()));
    let weak = Markdown::some_of(one.who.iter().map(says), NAMED, "; ");
    weak.and(
        ". Nothing merges or runs until that is put right: `countersign doctor` says how, and `countersign doctor --fix` \
         does it",
    )
}

/// INVARIANT i02.
pub(super) fn stray(one: &Because) -> Markdown {
    Markdown::ours("the base branch's `policies/` (")
        .then(&list(&one.could))
        .and(") is not the policy in force (")
        .then(&list(&one.who))
        .and(
            "), so nothing opens or runs: revert `policies/` on the base branch, or land the change again through an \
             approved pull request",
        )
}

/// Who granted it, and why.
fn departed(one: &Because, case: &Case, policy: &Policy) -> Markdown {
    let text = list(&one.who).and(" let it pass ").then(&check_of(one));
    let mut standing = case
        .exceptions
        .iter()
        .rev()
        .filter(|recorded| recorded.withdrawn.is_none())
        .map(|recorded| &recorded.exception);
    let granted = standing.find(|granted| {
        let by = policy.person_of(granted.heard.account);
        one.section.as_deref() == Some(granted.check.as_str())
            && by.is_some_and(|by| one.who.iter().any(|who| who == by.name().as_str()))
    });
    match granted.map(|granted| &granted.reason) {
        Some(Some(reason)) => text.and(": ").then(&Markdown::prose(reason)),
        Some(None) => text.and(", as the agent asked"),
        None => text,
    }
}

fn check_of(one: &Because) -> Markdown {
    Markdown::code(one.section.as_deref().unwrap_or_default())
}

/// `3, 7; 8 of 10 items run`.
fn excluded(one: &Because) -> Markdown {
    let count = |number: Option<u32>| Markdown::count(u64::from(number.unwrap_or_default()));
    let items = Markdown::some_of(one.who.iter().map(|item| Markdown::code(item)), NAMED, ", ");
    ours("items ")
        .then(&items)
        .and("; ")
        .then(&count(one.have))
        .and(" of ")
        .then(&count(one.need))
        .and(" run; risk and limits stay those of all")
}

fn unowned(one: &Because) -> Markdown {
    let which = Markdown::some_of(one.who.iter().map(|path| Markdown::code(path)), NAMED, ", ");
    if which.is_empty() {
        Markdown::ours("CODEOWNERS names nobody; correct it, then the agent proposes it anew")
    } else {
        Markdown::ours("CODEOWNERS names nobody for ")
            .then(&which)
            .and("; correct it, then the agent proposes it anew")
    }
}

/// `1 of 2 (alice); ask bob (treasury) or carol (treasury)`.
fn approvals(one: &Because) -> Markdown {
    let text = match (one.have, one.need) {
        (Some(have), Some(need)) => Markdown::count(u64::from(have))
            .and(" of ")
            .then(&Markdown::count(u64::from(need))),
        (Some(_) | None, Some(_) | None) => Markdown::ours("not counted"),
    };
    let text = if one.who.is_empty() {
        text
    } else {
        text.and(" (").then(&list(&one.who)).and(")")
    };
    match one.standing {
        Standing::Holds | Standing::Noted => text,
        Standing::Missing | Standing::Blocks | Standing::Errored => {
            if one.could.is_empty() {
                text.and("; nobody is left who could approve: correct CODEOWNERS or people.yaml")
            } else {
                text.and("; ask ").then(&some(&one.could, " or "))
            }
        }
    }
}

/// INVARIANT i08.
fn party(one: &Because, case: &Case, policy: &Policy) -> Markdown {
    if one.who.is_empty() {
        return Markdown::ours("nobody can tell who wrote or merged it; the agent must propose it anew");
    }
    let standing = || {
        case.exceptions
            .iter()
            .filter(|recorded| recorded.withdrawn.is_none())
    };
    let granters = || standing().map(|recorded| recorded.exception.heard.account);
    let granted = |who: &String| is_one_of(who, granters(), policy);
    let amended = |who: &String| is_one_of(who, case.co_writers.iter().copied(), policy);
    let edited = |who: &String| is_one_of(who, case.edited.keys().copied(), policy);
    let sponsor = case.proposal.binding.sponsor.as_str();
    if one.who.iter().any(|who| who == sponsor) {
        list(&one.who).and("'s approval: the agent's sponsor never approves")
    } else if one.who.iter().any(granted) {
        list(&one.who).and("'s approval: whoever lets it pass a check does not approve it besides")
    } else if one.who.iter().any(amended) {
        list(&one.who).and(if case.proposal.binding.rolls_back.is_some() {
            "'s approval: whoever asked for it never approves"
        } else {
            "'s approval: whoever amended it, or what it descends from, never approves"
        })
    } else if one.who.iter().any(edited) {
        list(&one.who).and("'s approval: whoever edited its title, text or base never approves")
    } else {
        list(&one.who).and("'s approval: whoever pushes, writes or merges it never approves")
    }
}

fn is_one_of(who: &str, mut accounts: impl Iterator<Item = AccountId>, policy: &Policy) -> bool {
    accounts.any(|account| {
        let person = policy.person_of(account);
        person.is_some_and(|person| person.name().as_str() == who)
    })
}

pub(super) fn list(names: &[String]) -> Markdown {
    some(names, ", ")
}

fn some(names: &[String], between: &'static str) -> Markdown {
    Markdown::some_of(names.iter().map(|name| Markdown::prose(name)), NAMED, between)
}
