//! The check run of a pull request that changes the rules: what is missing, by name, what is wrong, and what would
//! have been different. INVARIANT i02.

use serde::Serialize;

use super::{
    RenderError,
    check::CheckText,
    engine::{Page, fill},
    markdown::Markdown,
    room::within_limit,
    rules::{branch_rules, list, mark, name, of_people, stray, too_old, unknown, worst_first},
};
use crate::domain::{
    amendment::Decided,
    entry::{Approver, Under},
    gate::{Because, Rule, Standing, Verdict},
    ids::{Digest, ProposalId},
    observation::PullState,
    policy::{
        GateRule, MergeMode,
        lint::{Finding, Severity},
    },
    replay::Difference,
};

/// How many findings, rules of a part, and proposals are listed; a later one when the first exceeds what GitHub takes.
const ROOM: [(usize, usize, usize); 3] = [(200, 200, 200), (60, 60, 40), (15, 15, 10)];

/// The past under the new rules.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// How many proposals were judged.
    pub judged: usize,
    /// How many more are too far back on the ledger to be read.
    pub unread: usize,
    /// Those for which something would differ.
    pub differences: Vec<(ProposalId, Difference)>,
}

/// The cases of the new rules, run by them.
#[derive(Debug, Clone, Default)]
pub struct Tested {
    /// How many there are.
    pub cases: usize,
    /// Those that came out otherwise: where they stand, what they show, and what came out.
    pub failed: Vec<(String, String, String)>,
}

/// What a check run on a change of the rules tells.
#[derive(Debug, Clone, Copy)]
pub struct AmendmentText<'a> {
    /// The decision.
    pub decided: &'a Decided,
    /// How the pull request stands.
    pub state: &'a PullState,
    /// The digest of the rules in force.
    pub active: Digest,
    /// The digest of the rules at the head; none when they can't be read.
    pub brings: Option<Digest>,
    /// The high gate of the rules in force.
    pub gate: &'a GateRule,
    /// The high gate of the new rules, when they are rules.
    pub new_gate: Option<&'a GateRule>,
    /// What is wrong with the new rules, or does less than it seems to.
    pub findings: &'a [Finding],
    /// Why the new rules can't be read at all.
    pub unreadable: Option<&'a str>,
    /// The cases of the new rules, when they are rules.
    pub tested: Option<&'a Tested>,
    /// The past under the new rules, when they are rules.
    pub replayed: Option<&'a Replayed>,
}

#[derive(Serialize)]
struct AmendmentPage {
    next: Vec<Markdown>,
    which: Markdown,
    findings: Vec<FindingLine>,
    more_findings: usize,
    parts: Vec<Part>,
    tested: Markdown,
    failed: Vec<FindingLine>,
    more_failed: usize,
    replayed: Markdown,
    differences: Vec<DifferenceLine>,
    more_differences: usize,
}

impl Page for AmendmentPage {
    const NAME: &'static str = "amendment.md";
}

#[derive(Serialize)]
struct FindingLine {
    place: Markdown,
    says: Markdown,
}

#[derive(Serialize)]
struct Part {
    title: &'static str,
    rules: Vec<RuleLine>,
    more: usize,
}

#[derive(Serialize)]
struct RuleLine {
    name: &'static str,
    mark: Markdown,
    says: Markdown,
}

#[derive(Serialize)]
struct DifferenceLine {
    proposal: Markdown,
    tier: Markdown,
    gate: Markdown,
    failing: Markdown,
    passing: Markdown,
}

/// What the check run says.
pub fn amendment(text: &AmendmentText<'_>) -> Result<CheckText, RenderError> {
    Ok(CheckText {
        title: title(text),
        summary: within_limit(ROOM, |room| fill(&page(text, room)))?,
    })
}

/// The merge commit's message: its first line, and the rest.
pub fn amendment_merge(active: Digest, brings: Digest, approvers: &[Approver]) -> (String, String) {
    let lines: Vec<String> = approvers
        .iter()
        .map(|approver| {
            let rules = match approver.under {
                Under::Old => "rules in force",
                Under::New => "new rules",
            };
            format!(
                "Approved-by: {} ({}), by the {rules}",
                approver.person, approver.requirement
            )
        })
        .collect();
    let title = format!("Change the rules: {} -> {}", active.short(), brings.short());
    (title, lines.join("\n"))
}

fn title(text: &AmendmentText<'_>) -> String {
    let decided = text.decided;
    let merged = matches!(text.state, PullState::Merged { .. });
    let worst = decided.against().map(|one| one.standing).max();
    let first = decided.against().find(|one| Some(one.standing) == worst);
    let first = first.map_or_else(String::new, |one| format!(": {}", name(one.rule).to_lowercase()));
    match (decided.verdict(), merged) {
        (Verdict::Open, true) => "The new rules come into force".to_owned(),
        (Verdict::Errored, true) => format!("Can't tell yet{first}"),
        (Verdict::Waiting | Verdict::Blocked, true) => format!("Merged around the gate{first}"),
        (Verdict::Open, false) => "Approved".to_owned(),
        (Verdict::Waiting, false) => format!("Waiting{first}"),
        (Verdict::Blocked, false) => format!("Blocked{first}"),
        (Verdict::Errored, false) => format!("Can't tell yet{first}"),
    }
}

fn page(text: &AmendmentText<'_>, (findings, rules, proposals): (usize, usize, usize)) -> AmendmentPage {
    let ours = Markdown::ours;
    let differences = text
        .replayed
        .map(|replayed| replayed.differences.as_slice())
        .unwrap_or_default();
    let failed = text
        .tested
        .map(|tested| tested.failed.as_slice())
        .unwrap_or_default();
    let part = |title, because: &[Because], gate: &GateRule| {
        let sorted = worst_first(because.iter());
        let line = |one: &&Because| RuleLine {
            name: name(one.rule),
            mark: ours(mark(one.standing)),
            says: says(one, text, gate),
        };
        Part {
            title,
            rules: sorted.iter().take(rules).map(line).collect(),
            more: sorted.len().saturating_sub(rules),
        }
    };
    let new_gate = text.new_gate.unwrap_or(text.gate);
    let mut parts = vec![part("The change itself", text.decided.common(), text.gate)];
    for (title, which, gate) in [
        ("By the rules in force", Under::Old, text.gate),
        ("By the new rules", Under::New, new_gate),
    ] {
        let because = text.decided.under(which);
        if !because.is_empty() {
            parts.push(part(title, because, gate));
        }
    }
    AmendmentPage {
        next: next(text),
        which: match text.brings {
            Some(brings) => ours("`policies/` ")
                .then(&Markdown::code(&text.active.short()))
                .and(" becomes ")
                .then(&Markdown::code(&brings.short()))
                .and("."),
            None => ours("`policies/` at this head can't be read."),
        },
        findings: text.findings.iter().take(findings).map(finding).collect(),
        more_findings: text.findings.len().saturating_sub(findings),
        parts,
        tested: text.tested.map(ran).unwrap_or_default(),
        failed: failed.iter().take(findings).map(failure).collect(),
        more_failed: failed.len().saturating_sub(findings),
        replayed: text.replayed.map(told).unwrap_or_default(),
        differences: differences.iter().take(proposals).map(difference).collect(),
        more_differences: differences.len().saturating_sub(proposals),
    }
}

fn finding(finding: &Finding) -> FindingLine {
    let place = match finding.place() {
        Some(place) => format!("{}:{}:{}", finding.file(), place.line, place.column),
        None => finding.file().to_owned(),
    };
    let severity = Markdown::ours(match finding.severity() {
        Severity::Error => "**error**: ",
        Severity::Warning => "warning: ",
    });
    let says = severity.then(&Markdown::prose(finding.message()));
    FindingLine {
        place: Markdown::code(&place),
        says: match finding.remedy() {
            Some(remedy) => says.and("; ").then(&Markdown::prose(remedy)),
            None => says,
        },
    }
}

fn ran(tested: &Tested) -> Markdown {
    let count = |number: usize| Markdown::count(u64::try_from(number).unwrap_or(u64::MAX));
    count(tested.cases.saturating_sub(tested.failed.len()))
        .and(" of ")
        .then(&count(tested.cases))
        .and(" came out as they say.")
}

fn failure((place, name, says): &(String, String, String)) -> FindingLine {
    FindingLine {
        place: Markdown::code(place),
        says: Markdown::prose(name).and(": ").then(&Markdown::prose(says)),
    }
}

fn told(replayed: &Replayed) -> Markdown {
    let count = |number: usize| Markdown::count(u64::try_from(number).unwrap_or(u64::MAX));
    let all = || replayed.differences.iter().map(|(_, difference)| difference);
    let of = |is: fn(&Difference) -> bool| all().filter(|difference| is(difference)).count();
    let kinds: [(usize, &'static str, &'static str); 5] = [
        (
            of(|one| one.tier.is_some()),
            " of another tier",
            " of another tier",
        ),
        (
            of(|one| one.gate.is_some_and(|gate| gate.from == Verdict::Open)),
            " gate newly blocked",
            " gates newly blocked",
        ),
        (
            of(|one| one.gate.is_some_and(|gate| gate.to == Verdict::Open)),
            " gate newly open",
            " gates newly open",
        ),
        (
            of(|one| !one.newly_failing.is_empty()),
            " failing a check it passed",
            " failing checks they passed",
        ),
        (
            of(|one| !one.newly_passing.is_empty()),
            " passing a check it failed",
            " passing checks they failed",
        ),
    ];
    let kinds = kinds.into_iter().filter(|(number, ..)| *number > 0);
    let kinds = kinds.map(|(number, one, more)| count(number).and(if number == 1 { one } else { more }));
    let kinds: Vec<Markdown> = kinds.collect();
    let text = Markdown::ours("Of the last ")
        .then(&count(replayed.judged))
        .and(" proposals, ")
        .then(&count(replayed.differences.len()))
        .and(" would have gone another way");
    let text = match kinds.len() {
        0 => text,
        all => text
            .and(": ")
            .then(&Markdown::some_of(kinds.into_iter(), all, ", ")),
    };
    match replayed.unread {
        0 => text.and("."),
        more => text.and("; ").then(&count(more)).and(
            " more are too far back on the ledger to be looked at here: run `countersign policy replay`.",
        ),
    }
}

fn difference((id, difference): &(ProposalId, Difference)) -> DifferenceLine {
    let dash = || Markdown::ours("–");
    let moved = |from: String, to: String| Markdown::prose(&from).and(" → ").then(&Markdown::prose(&to));
    let names = |checks: &[crate::domain::ids::CheckName]| {
        let names: Vec<String> = checks.iter().map(ToString::to_string).collect();
        if names.is_empty() { dash() } else { list(&names) }
    };
    DifferenceLine {
        proposal: Markdown::code(&id.to_string()),
        tier: difference
            .tier
            .map_or_else(dash, |tier| moved(tier.from.to_string(), tier.to.to_string())),
        gate: difference
            .gate
            .map_or_else(dash, |gate| moved(gate.from.to_string(), gate.to.to_string())),
        failing: names(&difference.newly_failing),
        passing: names(&difference.newly_passing),
    }
}

/// What to do next; the worst first.
fn next(text: &AmendmentText<'_>) -> Vec<Markdown> {
    let decided = text.decided;
    let ours = Markdown::ours;
    let merged = matches!(text.state, PullState::Merged { .. });
    if decided.verdict() == Verdict::Open {
        return vec![match (merged, decided.merge()) {
            (true, _) => ours(
                "Approved and merged: these are the rules from now on. What was proposed under the old ones and not merged must be proposed anew.",
            ),
            (false, MergeMode::Auto) => {
                ours("Approved. Countersign merges it now, and the new rules come into force.")
            }
            (false, MergeMode::Manual) => {
                ours("Approved. Somebody who did not approve merges it; then the new rules come into force.")
            }
        }];
    }
    let mut lines = Vec::new();
    if merged && decided.verdict() != Verdict::Errored {
        lines.push(ours("Merged around the gate: these rules are not in force, and nothing opens or runs until `policies/` is reverted on the base branch, or the change lands again through an approved pull request."));
    }
    let worst = decided.against().map(|one| one.standing).max();
    let new_gate = text.new_gate.unwrap_or(text.gate);
    for (whose, because, gate) in [
        ("", decided.common(), text.gate),
        ("By the rules in force: ", decided.under(Under::Old), text.gate),
        ("By the new rules: ", decided.under(Under::New), new_gate),
    ] {
        let against = because.iter().filter(|one| Some(one.standing) == worst);
        lines.extend(against.map(|one| {
            ours(whose)
                .and(name(one.rule))
                .and(": ")
                .then(&says(one, text, gate))
                .and(".")
        }));
    }
    lines
}

/// How a rule stands for a change of the rules, and what would satisfy it.
fn says(one: &Because, text: &AmendmentText<'_>, gate: &GateRule) -> Markdown {
    let ours = Markdown::ours;
    if one.standing == Standing::Errored {
        return unknown(one);
    }
    let holds = matches!(one.standing, Standing::Holds | Standing::Noted);
    match (one.rule, holds) {
        (Rule::Pull, true) => ours("open or merged, into the protected branch, from this repository"),
        (Rule::Pull, false) => ours(
            "is closed, a draft, from a fork, or goes into another branch; push the branch to this repository and open \
             a pull request from there",
        ),
        (Rule::Head, true) => ours("the one that was read"),
        (Rule::Head, false) => ours("the branch moved; Countersign looks again"),
        (Rule::Scope, true) => ours("nothing that only Countersign writes"),
        (Rule::Scope, false) => ours("it also changes ")
            .then(&list(&one.who))
            .and(", which is not for people to change; take that out"),
        (Rule::UpToDate, true) => ours("begins at the rules in force"),
        (Rule::UpToDate, false) => ours(
            "the branch left the base before the rules in force came; update the branch, then it must be approved again",
        ),
        (Rule::Compiles, true) => ours("no error"),
        (Rule::Compiles, false) => match text.unreadable {
            Some(why) => Markdown::prose(why),
            None if text.decided.under(Under::New).iter().len() > 0 => {
                ours("not other rules than the ones in force")
            }
            None => ours("they have errors, listed below; correct them"),
        },
        (Rule::Policy, true) => ours("the base branch holds the ones in force"),
        (Rule::Policy, false) => stray(one),
        (Rule::Landed, true) => ours("what was approved, on top of the rules that were in force"),
        (Rule::Landed, false) => ours(
            "is not a merge commit of what was approved on top of the rules in force; revert it, then merge with a merge \
             commit",
        ),
        (Rule::Protection, _) => branch_rules(one),
        (Rule::Clock, _) => unknown(one),
        (Rule::Owners, true) => ours("named by CODEOWNERS"),
        (Rule::Owners, false) => match one.could.as_slice() {
            [] => ours("teams of another organisation can't be looked up: ").then(&list(&one.who)),
            [line, ..] => ours("CODEOWNERS names nobody for ")
                .then(&Markdown::some_of(
                    one.who.iter().map(|path| Markdown::code(path)),
                    12,
                    ", ",
                ))
                .and("; add a line such as ")
                .then(&Markdown::code(line)),
        },
        (Rule::SeparationOfDuties, _) if one.who.is_empty() => ours(
            "nobody can tell who wrote, pushed or merged it; rewrite the commits with accounts that GitHub knows",
        ),
        (Rule::SeparationOfDuties, _) => {
            list(&one.who).and("'s approval: whoever writes, pushes or merges it never approves")
        }
        (Rule::TooOld, _) => too_old(one, gate),
        _ => of_people(one),
    }
}
