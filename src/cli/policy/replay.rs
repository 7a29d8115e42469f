//! `countersign policy replay`: the past under other rules.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    mem,
    path::{Path, PathBuf},
    process::ExitCode,
};

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::{Deserialize, Serialize};

use super::{FINDINGS, Failure, lines::on_every_core, load};
use crate::{
    domain::{
        book::Book,
        facts::{Facts, Gather},
        gate::Verdict,
        ids::{BranchName, Digest, ProposalId},
        policy::Policy,
        replay::{Difference, replay},
    },
    ledger::{Step, walk},
};

/// Proposals that are shown one by one unless all are asked for.
const SHOWN: usize = 20;

/// What to replay, and under which rules.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("past").required(true))]
pub(super) struct Args {
    /// The rules to try
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// The rules to compare with
    #[arg(long, value_name = "DIR", default_value = "policies")]
    policies: PathBuf,
    /// A clone or a bare repository with the ledger's branch
    #[arg(long, value_name = "REPO", group = "past")]
    ledger: Option<PathBuf>,
    /// The ledger's branch
    #[arg(long, default_value = "ledger", conflicts_with = "facts")]
    branch: BranchName,
    /// The digest that the ledger must begin with
    #[arg(long, value_name = "DIGEST", env = "COUNTERSIGN_GENESIS")]
    genesis: Option<Digest>,
    /// Facts as `countersign audit facts` writes them; `-` is standard input
    #[arg(long, value_name = "FILE", group = "past")]
    facts: Option<PathBuf>,
    /// One JSON object, with every proposal that differs
    #[arg(long)]
    json: bool,
}

/// What came of a replay.
#[derive(Debug, Default, Serialize)]
pub struct Replayed {
    /// Proposals that were read.
    pub proposals: u64,
    /// Those whose action has the same rules in both, so that nothing was judged.
    pub same_rules: u64,
    /// Lines that are not facts.
    #[serde(skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// By action.
    pub actions: BTreeMap<String, Tally>,
    /// Every proposal that differs.
    pub differences: Vec<Different>,
    /// The first line that is not facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_unreadable: Option<String>,
}

/// What differs for one action.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// Proposals of this action.
    pub proposals: u64,
    /// Those of a higher tier by the candidate.
    pub tier_up: u64,
    /// Those of a lower tier by the candidate.
    pub tier_down: u64,
    /// Gates that the candidate opens.
    pub newly_open: u64,
    /// Gates that the candidate shuts.
    pub newly_shut: u64,
    /// Those with a check that fails by the candidate only.
    pub newly_failing: u64,
}

/// One proposal that differs.
#[derive(Debug, Serialize)]
pub struct Different {
    /// The proposal; none for facts that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<ProposalId>,
    /// Its action.
    pub action: String,
    /// What differs.
    #[serde(flatten)]
    pub difference: Difference,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Replayed {
    fn line(&mut self, number: u64, line: &[u8], policy: &Policy, candidate: &Policy) {
        #[derive(Deserialize)]
        struct Which<'a> {
            #[serde(borrow)]
            operation: Cow<'a, str>,
        }
        let done = serde_json::from_slice::<Which<'_>>(line).and_then(|which| {
            if policy.same_rules(candidate, &which.operation) {
                self.same(&which.operation);
                return Ok(());
            }
            serde_json::from_slice(line).map(|facts| self.judge(&facts, policy, candidate))
        });
        if let Err(error) = done {
            self.unreadable += 1;
            let message = || format!("line {number} can't be read: {error}");
            self.first_unreadable.get_or_insert_with(message);
        }
    }

    fn facts(&mut self, facts: &Facts, policy: &Policy, candidate: &Policy) {
        if policy.same_rules(candidate, facts.operation().as_str()) {
            self.same(facts.operation().as_str());
        } else {
            self.judge(facts, policy, candidate);
        }
    }

    fn same(&mut self, action: &str) {
        self.proposals += 1;
        self.same_rules += 1;
        self.of(action).proposals += 1;
    }

    fn of(&mut self, action: &str) -> &mut Tally {
        self.actions.entry(action.to_owned()).or_default()
    }

    fn judge(&mut self, facts: &Facts, policy: &Policy, candidate: &Policy) {
        self.proposals += 1;
        let action = facts.operation().as_str();
        let difference = replay(facts, policy, candidate);
        let tally = self.of(action);
        tally.proposals += 1;
        let Some(difference) = difference else { return };
        if let Some(tier) = difference.tier {
            tally.tier_up += u64::from(tier.to > tier.from);
            tally.tier_down += u64::from(tier.to < tier.from);
        }
        if let Some(gate) = difference.gate {
            tally.newly_open += u64::from(gate.to == Verdict::Open);
            tally.newly_shut += u64::from(gate.from == Verdict::Open);
        }
        tally.newly_failing += u64::from(!difference.newly_failing.is_empty());
        self.differences.push(Different {
            proposal: facts.id(),
            action: action.to_owned(),
            difference,
        });
    }

    fn add(&mut self, other: Self) {
        self.proposals += other.proposals;
        self.same_rules += other.same_rules;
        self.unreadable += other.unreadable;
        self.differences.extend(other.differences);
        self.first_unreadable = self.first_unreadable.take().or(other.first_unreadable);
        for (action, more) in other.actions {
            let tally = self.actions.entry(action).or_default();
            tally.proposals += more.proposals;
            tally.tier_up += more.tier_up;
            tally.tier_down += more.tier_down;
            tally.newly_open += more.newly_open;
            tally.newly_shut += more.newly_shut;
            tally.newly_failing += more.newly_failing;
        }
    }
}

/// Replays facts, a JSON object a line, on every core. Errors: the input can't be read.
pub fn replay_lines(from: impl Read + Send, policy: &Policy, candidate: &Policy) -> io::Result<Replayed> {
    let mut all = Replayed::default();
    on_every_core(
        from,
        |run: &mut Replayed, number, line| {
            run.line(number, line, policy, candidate);
            Ok(())
        },
        |run| {
            all.add(mem::take(run));
            Ok(())
        },
    )?;
    Ok(all)
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let policy = load::policy(&args.policies)?;
    let candidate = load::policy(&args.candidate)?;
    let replayed = match (&args.facts, &args.ledger) {
        (Some(file), _) if file.as_os_str() == "-" => replay_lines(io::stdin(), &policy, &candidate)?,
        (Some(file), _) => {
            let from = File::open(file).map_err(|error| load::unreadable(file, &error))?;
            replay_lines(from, &policy, &candidate)?
        }
        (None, Some(repo)) => of_ledger(repo, args, &policy, &candidate)?,
        (None, None) => Replayed::default(),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    if args.json {
        serde_json::to_writer(&mut out, &replayed).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        tell(&mut out, &replayed)?;
    }
    out.flush()?;
    if let Some(message) = replayed.first_unreadable {
        return Err(Failure::Files(vec![miette::miette!(
            help = "write facts with `countersign audit facts`",
            "{message}; {}",
            match replayed.unreadable {
                1 => "it was left out".to_owned(),
                count => format!("{count} lines in all were left out"),
            }
        )]));
    }
    Ok(match replayed.differences.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(FINDINGS),
    })
}

fn of_ledger(repo: &Path, args: &Args, policy: &Policy, candidate: &Policy) -> Result<Replayed, Failure> {
    let mut replayed = Replayed::default();
    let mut gather = Gather::default();
    let each = |book: Option<&Book>, step: Step<'_>| {
        if let (Some(book), Step::Recorded(recorded)) = (book, step)
            && let Some(facts) = gather.next(book, recorded)
        {
            replayed.facts(&facts, policy, candidate);
        }
    };
    let walked = walk(repo, &args.branch, args.genesis, each, |_, _| {});
    let walked = walked.map_err(|error| Failure::Files(vec![miette::miette!("{error}")]))?;
    for facts in walked.book.iter().flat_map(|book| gather.rest(book)) {
        replayed.facts(&facts, policy, candidate);
    }
    Ok(replayed)
}

fn tell(out: &mut impl Write, replayed: &Replayed) -> io::Result<()> {
    writeln!(
        out,
        "{} {}; {} of actions with the same rules in both; {} would differ",
        replayed.proposals,
        if replayed.proposals == 1 {
            "proposal"
        } else {
            "proposals"
        },
        replayed.same_rules,
        replayed.differences.len()
    )?;
    if replayed.differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "action",
        "proposals",
        "tier up",
        "tier down",
        "newly open",
        "newly shut",
        "newly failing a check",
    ]);
    for (action, tally) in &replayed.actions {
        let counts = [
            tally.tier_up,
            tally.tier_down,
            tally.newly_open,
            tally.newly_shut,
            tally.newly_failing,
        ];
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let counts = std::iter::once(tally.proposals).chain(counts);
        table.add_row(std::iter::once(action.clone()).chain(counts.map(|count| count.to_string())));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(out, "{table}")?;
    for different in replayed.differences.iter().take(SHOWN) {
        writeln!(out, "{}", one(different))?;
    }
    let more = replayed.differences.len().saturating_sub(SHOWN);
    if more > 0 {
        writeln!(out, "and {more} more; `--json` lists all")?;
    }
    Ok(())
}

fn one(different: &Different) -> String {
    let Difference {
        tier,
        gate,
        newly_failing,
        newly_passing,
    } = &different.difference;
    let mut what = Vec::new();
    what.extend(tier.map(|tier| format!("tier {} -> {}", tier.from, tier.to)));
    what.extend(gate.map(|gate| format!("gate {} -> {}", gate.from, gate.to)));
    what.extend(newly_failing.iter().map(|check| format!("`{check}` fails")));
    what.extend(newly_passing.iter().map(|check| format!("`{check}` passes")));
    let id = different
        .proposal
        .map_or_else(|| "(no id)".to_owned(), |id| id.to_string());
    format!("{id}  {}: {}", different.action, what.join(", "))
}
