//! Stories for the tests of this room: a proposal that was received and opened, what people said, and what is seen.

use std::sync::{Arc, LazyLock};

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use super::{
    assess::assess,
    case::Case,
    entry::{
        Assurance, Digests, Event, Exception, Excluded, Found, Heard, Merged, Opened, Reviewed, Withdrawn,
    },
    exception::granted_by,
    gate::{self, Decision, Rule, Standing, Verdict, decide},
    ids::{
        AccountId, CommentId, Digest, ItemId, ProposalId, PullNumber, ReviewId, Seq, Sha, Span, Timestamp,
    },
    observation::{
        Commit, LiveReview, Observation, Permission, Protection, Pull, PullState, RequiredCheck, ReviewState,
        Seen,
    },
    policy::{Policy, compile},
    proposal::{AgentProof, Attestation, Observed, ObservedFacts, Proposal},
    receive::{Arrival, fit},
    request::Request,
    sealed::DataKey,
    source::SourceFile,
    totals::Totals,
    warrant::Merge,
};

/// A branch that is protected as far as it takes.
pub(crate) fn strong() -> Protection {
    Protection {
        required_checks: vec![RequiredCheck {
            context: "countersign".to_owned(),
            app: Some(APP),
        }],
        force_push_refused: true,
        deletion_refused: true,
        around: None,
    }
}

pub(crate) const CATALOG: &str = include_str!("../../tests/policies/catalog.yaml");
pub(crate) const TIERS: &str = include_str!("../../tests/policies/tiers.yaml");
pub(crate) const OWNERS: &str = include_str!("../../tests/policies/CODEOWNERS");
pub(crate) const PEOPLE: &str = include_str!("../../tests/policies/people.yaml");
pub(crate) const AGENTS: &str = include_str!("../../tests/policies/agents.yaml");

pub(crate) const ALICE: AccountId = AccountId(1001);
pub(crate) const BOB: AccountId = AccountId(1002);
pub(crate) const CAROL: AccountId = AccountId(1003);
pub(crate) const CAROL_ON_CALL: AccountId = AccountId(1103);
pub(crate) const DAVE: AccountId = AccountId(1004);
pub(crate) const ERIN: AccountId = AccountId(1005);
/// The bot's app.
pub(crate) const APP: u64 = 77;
/// The bot.
pub(crate) const ME: AccountId = AccountId(9);
pub(crate) const BASE: Sha = Sha::from_bytes([1; 20]);
pub(crate) const HEAD: Sha = Sha::from_bytes([2; 20]);
pub(crate) const MERGE: Sha = Sha::from_bytes([3; 20]);

/// The files of a policy; those of `tests/policies/` unless a test changes one.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) catalog: String,
    pub(crate) tiers: String,
    pub(crate) owners: String,
    pub(crate) people: String,
    pub(crate) agents: String,
    /// Files of checks: path and text.
    pub(crate) checks: Vec<(&'static str, &'static str)>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            catalog: CATALOG.into(),
            tiers: TIERS.into(),
            owners: OWNERS.into(),
            people: PEOPLE.into(),
            agents: AGENTS.into(),
            checks: Vec::new(),
        }
    }
}

impl Files {
    pub(crate) fn list(&self) -> Vec<SourceFile> {
        let files = [
            ("catalog.yaml", &self.catalog),
            ("tiers.yaml", &self.tiers),
            ("CODEOWNERS", &self.owners),
            ("people.yaml", &self.people),
            ("agents.yaml", &self.agents),
        ]
        .map(|(path, text)| SourceFile::new(path, text.as_str()));
        let checks = self
            .checks
            .iter()
            .map(|(path, text)| SourceFile::new(*path, *text));
        files.into_iter().chain(checks).collect()
    }
    pub(crate) fn policy(&self) -> Policy {
        compile(&self.list()).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }
}

/// The rules of `tests/policies/`, compiled once.
pub(crate) fn starter() -> Policy {
    static STARTER: LazyLock<Policy> = LazyLock::new(|| Files::default().policy());
    STARTER.clone()
}

/// The key of the agent that signs.
pub(crate) fn agent_key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

/// The rules of `tests/policies/`, with a default to fill in, and a payments agent that signs.
pub(crate) fn signing_policy() -> Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        let public = ssh_key::PublicKey::from(ssh_key::public::Ed25519PublicKey(
            agent_key().verifying_key().to_bytes(),
        ));
        let key = format!("key: {{ ed25519: \"{}\" }}", public.to_openssh().unwrap());
        let (before, payments) = AGENTS.split_once("payments-agent:").unwrap();
        let reference = "reference: { type: string, minLength: 1, maxLength: 140 }";
        let default = format!("{reference}\n        urgency: {{ type: string, default: normal }}");
        let files = Files {
            agents: format!(
                "{before}payments-agent:{}",
                payments.replacen("key: { hmac: {} }", &key, 1)
            ),
            catalog: CATALOG.replace(reference, &default),
            ..Files::default()
        };
        files.policy()
    });
    POLICY.clone()
}

/// Minutes after the proposal was received.
pub(crate) fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    Timestamp::from_millis(start.millis() + minutes * 60_000)
}

pub(crate) fn later(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.millis() + millis)
}

/// A request as its agent sends it.
pub(crate) fn request(operation: &str, sponsor: &str, parameters: Value) -> Request {
    serde_json::from_value(json!({
        "operation": operation, "sponsor": sponsor, "parameters": parameters,
        "nonce": "0123456789abcdef", "justification": "invoice 4711 is due",
    }))
    .unwrap()
}

pub(crate) fn payment() -> Value {
    json!({"supplier_id": "ACME", "amount": {"minor": 1_250_000, "currency": "EUR"}, "reference": "4711"})
}

/// A proposal as the gate makes it from a request, every item observed.
pub(crate) fn propose(request: Request, agent: &str, policy: &Policy, proof: AgentProof) -> Proposal {
    propose_as(ProposalId::from_parts(at(0), 7), request, agent, policy, proof)
}

/// The same under another id.
pub(crate) fn propose_as(
    id: ProposalId,
    request: Request,
    agent: &str,
    policy: &Policy,
    proof: AgentProof,
) -> Proposal {
    let agent = policy.agent(&agent.parse().unwrap()).unwrap();
    let fitting = fit(request, agent, policy, at(0)).unwrap();
    let seen = |item: ItemId| Observed {
        item,
        at: at(0),
        facts: ObservedFacts {
            connector: "http".into(),
            before: json!({"balance": 100}),
            after: None,
            affected: Default::default(),
            precondition: None,
        },
    };
    let observed = fitting.items().iter().map(|item| seen(item.id.clone())).collect();
    let salts = (0..fitting.sealed_values())
        .map(|n| ([n as u8 + 1; 32], [n as u8 + 1; 24]))
        .collect();
    fitting
        .arrive(Arrival {
            replaced: None,
            kept: Default::default(),
            id,
            proof,
            summary: "Pay ACME 12,500.00 EUR".into(),
            observed,
            key: DataKey::new([7; 32]),
            salts,
        })
        .unwrap()
}

/// A case, what is seen, and the rules in force.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) policy: Policy,
    pub(crate) case: Case,
    pub(crate) seen: Observation,
}

impl Story {
    /// A supplier payment: two approvals, by finance and treasury; carol is the sponsor.
    pub(crate) fn high() -> Self {
        Self::payment(starter())
    }
    /// A supplier payment under other rules.
    pub(crate) fn under(files: &Files) -> Self {
        Self::payment(files.policy())
    }
    fn payment(policy: Policy) -> Self {
        Self::of(
            request("payments.create", "carol", payment()),
            "payments-agent",
            policy,
        )
    }
    /// A campaign: one approval by marketing; erin is the sponsor.
    pub(crate) fn medium() -> Self {
        let parameters = json!({"segment_id": "spring", "subject": "Hello", "body": "Dear all"});
        Self::of(
            request("campaigns.send", "erin", parameters),
            "campaign-agent",
            starter(),
        )
    }
    /// A note: no approval; never opened.
    pub(crate) fn low() -> Self {
        let parameters = json!({"customer_id": "C-1", "text": "called back"});
        Self::of(
            request("crm.note", "erin", parameters),
            "support-agent",
            starter(),
        )
    }

    /// A proposal, opened unless it is of low tier, and seen half an hour later.
    pub(crate) fn of(request: Request, agent: &str, policy: Policy) -> Self {
        let proof = AgentProof::GateAttested {
            by: Attestation::Hmac,
        };
        let proposal = Arc::new(propose(request, agent, &policy, proof));
        let totals = Totals::of(&proposal.matter(), &policy);
        let assessment = assess(&proposal.matter(), &totals, &policy);
        let mut case = Case::received(proposal, assessment, policy.digest(), Seq(1));
        let (title, body) = (Digest::of(b"title"), Digest::of(b"report"));
        let opened = Opened {
            pull: PullNumber(42),
            head: HEAD,
            base: BASE,
            base_ref: "main".parse().unwrap(),
            branch: case.proposal.branch().parse().unwrap(),
            title,
            file: Digest::of(b"file"),
        };
        let event = Event::Opened(opened);
        if case.allows(&event) {
            let digests = Digests {
                presentation: Some(body),
                ..digests(&case)
            };
            case.follow(&event, &digests, at(1), Seq(2));
        }
        let known = |accounts: Vec<AccountId>| Seen::Known(accounts);
        let everyone = || {
            policy
                .people()
                .flat_map(|person| person.accounts().iter().map(move |a| (person, a.id())))
        };
        let seen = Observation {
            at: at(30),
            me: ME,
            policy: Seen::Known(policy.digest()),
            pull: Seen::Known(Pull {
                number: PullNumber(42),
                state: PullState::Open,
                draft: false,
                head: HEAD,
                base_ref: "main".parse().unwrap(),
                base: BASE,
                author: Some(ME),
                title,
                body,
            }),
            commits: Seen::Known(vec![Commit {
                sha: HEAD,
                parents: vec![BASE],
                author: Some(ME),
                committer: Some(ME),
                co_authors: Vec::new(),
            }]),
            pushers: known(vec![ME]),
            reviews: Seen::Known(Vec::new()),
            permissions: everyone()
                .map(|(_, id)| (id, Seen::Known(Permission::Write)))
                .collect(),
            memberships: gate::teams(&case, &policy)
                .into_iter()
                .map(|team| {
                    let members = everyone().filter(|(person, _)| person.teams().contains(&team));
                    let members = members.map(|(_, id)| id).collect();
                    (team, known(members))
                })
                .collect(),
            protection: Seen::Known(strong()),
            ledger: Seen::Known(strong()),
            app: APP,
            freeze: None,
            skew: Seen::Known(0),
        };
        Self { policy, case, seen }
    }

    /// A review given so many minutes after the proposal arrived: recorded by its event, and live.
    pub(crate) fn review(mut self, id: u64, account: AccountId, state: ReviewState, minutes: i64) -> Self {
        self.record(id, account, state, minutes);
        self.live().push(live(id, account, state, minutes));
        self
    }
    /// An exception from a check by an account, granted after so many minutes.
    pub(crate) fn except(mut self, check: &str, account: AccountId, minutes: i64) -> Self {
        let event = Event::Exception(Exception {
            check: check.parse().unwrap(),
            reason: Some("it is the yearly invoice".into()),
            heard: heard(account, minutes),
        });
        let digests = digests(&self.case);
        self.case
            .follow(&event, &digests, at(minutes), Seq(self.case.last.0 + 1));
        self
    }
    /// Every exception from a check that an account granted, taken back.
    pub(crate) fn withdraw(mut self, check: &str, account: AccountId, minutes: i64) -> Self {
        let check = check.parse().unwrap();
        let Ok(granted) = granted_by(&self.case, &self.policy, &check, account) else {
            return self;
        };
        let event = Event::Withdrawn(Withdrawn {
            check,
            granted,
            reason: None,
            heard: heard(account, minutes),
        });
        let digests = digests(&self.case);
        self.case
            .follow(&event, &digests, at(minutes), Seq(self.case.last.0 + 1));
        self
    }
    /// Items that an account took out.
    pub(crate) fn exclude(mut self, items: &[&str], account: AccountId, minutes: i64) -> Self {
        let event = Event::Excluded(Excluded {
            items: items.iter().map(|item| item.parse().unwrap()).collect(),
            reason: "paid already".into(),
            heard: heard(account, minutes),
        });
        let digests = digests(&self.case);
        self.case
            .follow(&event, &digests, at(minutes), Seq(self.case.last.0 + 1));
        self
    }
    /// An approval, recorded and live; ids and times follow the order of the calls.
    pub(crate) fn approve(self, account: AccountId) -> Self {
        let next = self.case.reviews.len() as u64 + 1;
        self.review(next, account, ReviewState::Approved, 10 + next as i64)
    }
    /// Records a review as its event told it.
    pub(crate) fn record(&mut self, id: u64, account: AccountId, state: ReviewState, minutes: i64) {
        let review = told(None, id, account, state, minutes);
        let event = Event::Reviewed(review);
        let seq = Seq(self.case.last.0 + 1);
        let digests = digests(&self.case);
        self.case.follow(&event, &digests, at(minutes), seq);
    }
    /// The pull request as it is seen.
    pub(crate) fn pull(&mut self) -> &mut Pull {
        match &mut self.seen.pull {
            Seen::Known(pull) => pull,
            Seen::Unknown { .. } => panic!("the pull request is not seen"),
        }
    }
    /// The live reviews.
    pub(crate) fn live(&mut self) -> &mut Vec<LiveReview> {
        match &mut self.seen.reviews {
            Seen::Known(reviews) => reviews,
            Seen::Unknown { .. } => panic!("the reviews are not seen"),
        }
    }
    /// Merged by an account after so many minutes, recorded, and seen a minute later.
    pub(crate) fn merged(mut self, by: AccountId, minutes: i64) -> Self {
        self.pull().state = PullState::Merged {
            at: at(minutes),
            by: Some(by),
            sha: Some(MERGE),
        };
        self.seen.at = at(minutes + 1);
        let merged = Merged {
            sha: MERGE,
            parents: vec![BASE, HEAD],
            at: at(minutes),
            by: Some(by),
        };
        let event = Event::Merged(merged);
        let digests = digests(&self.case);
        self.case
            .follow(&event, &digests, at(minutes), Seq(self.case.last.0 + 1));
        self
    }
    /// With something changed.
    pub(crate) fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
    pub(crate) fn decide(&self) -> Decision {
        decide(&self.case, &self.seen, &self.policy)
    }
    pub(crate) fn verdict(&self) -> Verdict {
        self.decide().verdict()
    }
    /// The rules that keep it shut, each with its standing.
    pub(crate) fn against(&self) -> Vec<String> {
        let decision = self.decide();
        decision
            .against()
            .map(|one| format!("{:?} {:?}", one.rule, one.standing))
            .collect()
    }
    /// The merge as Git shows it.
    pub(crate) fn merge(&self) -> Merge {
        let directory = self.case.proposal.directory();
        Merge {
            sha: MERGE,
            parents: vec![BASE, HEAD],
            reachable: true,
            changed: super::proposal::FILES
                .map(|file| format!("{directory}/{file}"))
                .into(),
            file: Digest::of(b"file"),
            presentation: Digest::of(b"report"),
            policy_before: self.policy.digest(),
            policy_after: self.policy.digest(),
            proposal: self.case.proposal.as_ref().clone(),
            at: at(40),
            by: Some(ME),
        }
    }
}

/// Approved by alice of finance and bob of treasury.
pub(crate) fn approved() -> Story {
    Story::high().approve(ALICE).approve(BOB)
}

#[track_caller]
pub(crate) fn shut(story: Story) {
    assert_ne!(story.verdict(), Verdict::Open, "{:#?}", story.decide().because());
}

#[track_caller]
pub(crate) fn stands(story: &Story, rule: Rule, standing: Standing) {
    let decision = story.decide();
    let found = decision
        .because()
        .iter()
        .any(|one| one.rule == rule && one.standing == standing);
    assert!(found, "{:#?}", decision.because());
}

/// The digests that entries about a case carry.
pub(crate) fn digests(case: &Case) -> Digests {
    Digests {
        action: Some(case.proposal.action_digest()),
        presentation: case.presentation,
        policy: Some(case.policy),
        plan: None,
    }
}

/// A comment on the proposal's commit.
pub(crate) fn heard(account: AccountId, minutes: i64) -> Heard {
    Heard {
        account,
        comment: CommentId(account.0 * 10_000 + minutes as u64),
        at: at(minutes),
        delivery: "d-2".parse().unwrap(),
        head: HEAD,
    }
}

/// A review as its event told of it, of a proposal's pull request or of one that would change the rules.
pub(crate) fn told(
    pull: Option<PullNumber>,
    id: u64,
    account: AccountId,
    decision: ReviewState,
    minutes: i64,
) -> Reviewed {
    Reviewed {
        pull,
        review: ReviewId(id),
        account: Some(account),
        login: None,
        decision,
        head: HEAD,
        base: BASE,
        commit: Some(HEAD),
        submitted_at: at(minutes),
        reason: None,
        found: Found::Event {
            delivery: "d-1".parse().unwrap(),
        },
        requirement: None,
        progress: None,
        assurance: Assurance::GateAttested,
    }
}

/// A review as GitHub shows it.
pub(crate) fn live(id: u64, account: AccountId, state: ReviewState, minutes: i64) -> LiveReview {
    LiveReview {
        id: ReviewId(id),
        account: Some(account),
        login: None,
        human: true,
        state,
        commit: Some(HEAD),
        submitted_at: at(minutes),
    }
}

/// A span in hours.
pub(crate) const fn hours(hours: u32) -> Span {
    Span::seconds(hours * 3_600)
}
