//! A proposal's life by the words of the rules alone: lists and loops, and no line shared with what it is compared to.
//! Times are minutes.

use super::world::{PEOPLE, Person, What};

/// How long the limit on the number of payments looks back, and how many it lets run.
pub(super) const RATE: (i64, i64) = (60, 3);
/// The same of what they amount to.
pub(super) const BUDGET: (i64, i64) = (240, 1_000);
const DAY: i64 = 24 * 60;
/// Nobody begins later than this after a merge. INVARIANT i15.
const BEGIN_WITHIN: i64 = 60;

/// Whether GitHub and the repository are as they should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) protected: bool,
    pub(super) same_rules: bool,
    pub(super) clock_right: bool,
}

/// One review on GitHub.
#[derive(Debug, Clone)]
pub(super) struct Vote {
    pub(super) id: u64,
    pub(super) who: &'static Person,
    pub(super) says: &'static str,
    pub(super) at: i64,
    /// Whether its event was recorded, while the head was the proposal's own.
    pub(super) recorded: bool,
    pub(super) on_our_head: bool,
}

/// An execution that somebody began.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) instance: &'static str,
    pub(super) attempt: u32,
    pub(super) resumable: bool,
    pub(super) thaws: Option<u64>,
}

/// What somebody says of an execution that they begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begins {
    pub(super) instance: &'static str,
    pub(super) attempt: u32,
    pub(super) resumable: bool,
    pub(super) thaws: Option<u64>,
    /// Which plan they name; none of them is fine.
    pub(super) plan: Option<u8>,
    /// Whether an outbox is the lock, and not the ledger.
    pub(super) by_outbox: bool,
    pub(super) right_items: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) number: u64,
    pub(super) what: What,
    pub(super) key: u64,
    pub(super) nonce: u64,
    pub(super) created: i64,
    pub(super) life: &'static str,
    pub(super) over: bool,
    pub(super) co_writers: Vec<&'static str>,
    pub(super) replaces: Option<u64>,
    pub(super) replaced_by: Option<u64>,
    // The pull request.
    pub(super) pull: Option<u64>,
    pub(super) opened: i64,
    pub(super) reminded: bool,
    pub(super) escalated: bool,
    pub(super) votes: Vec<Vote>,
    pub(super) foreign_head: bool,
    pub(super) foreign_text: bool,
    pub(super) closed: bool,
    pub(super) merged: Option<(i64, Option<&'static Person>)>,
    pub(super) merge_recorded_by: Option<&'static str>,
    pub(super) editors: Vec<&'static str>,
    pub(super) excluded: Vec<u8>,
    // The execution.
    pub(super) begun: Option<Begun>,
    pub(super) plan: Option<u8>,
    pub(super) stopped: bool,
    pub(super) ran_at: Option<i64>,
    pub(super) erased: bool,
}

impl Plain {
    pub(super) fn ended(&self) -> bool {
        !["received", "open", "merged", "started", "unknown"].contains(&self.life)
    }
    fn ran(&self) -> bool {
        ["started", "unknown", "executed", "partial"].contains(&self.life)
    }
    pub(super) fn low(&self) -> bool {
        self.what.tier() == "low"
    }
    pub(super) fn resumable(&self) -> bool {
        let begun = self.begun.as_ref();
        self.life == "unknown"
            && self.stopped
            && begun.is_some_and(|begun| begun.resumable && begun.attempt < 10)
    }
    fn expires(&self) -> i64 {
        self.created
            + if self.what.tier() == "high" {
                2 * DAY
            } else {
                3 * DAY
            }
    }
    fn is_of(&self, instance: &str) -> bool {
        self.begun
            .as_ref()
            .is_some_and(|begun| begun.instance == instance)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) all: Vec<Plain>,
    /// Number of the entry, and what it stops.
    pub(super) freezes: Vec<(u64, Option<&'static str>)>,
    pub(super) weather: Weather,
    pub(super) now: i64,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            all: Vec::new(),
            freezes: Vec::new(),
            weather: Weather {
                protected: true,
                same_rules: true,
                clock_right: true,
            },
            now: 0,
        }
    }

    /// What waits of one agent, of others, and what ran: payments to a supplier, their number and their amount.
    pub(super) fn so_far(&self, supplier: &str, agent: &str, but: Option<u64>) -> [[i64; 3]; 2] {
        let mut sums = [[0; 3]; 2];
        for one in &self.all {
            let What::Pay {
                supplier: theirs,
                minor,
                ..
            } = one.what
            else {
                continue;
            };
            if theirs != supplier || Some(one.number) == but {
                continue;
            }
            for (sum, adds, per) in [(0, 1, RATE.0), (1, minor, BUDGET.0)] {
                if one.ran() {
                    if one.ran_at.is_some_and(|at| self.now - at < per) {
                        sums[sum][0] += adds;
                    }
                } else if !one.ended() {
                    sums[sum][if one.what.agent() == agent { 1 } else { 2 }] += adds;
                }
            }
        }
        sums
    }

    /// Whether a payment is over a limit as it arrives: what others wait for refuses nobody.
    pub(super) fn over(&self, what: &What) -> bool {
        let What::Pay {
            agent,
            supplier,
            minor,
        } = *what
        else {
            return false;
        };
        let [number, amount] = self.so_far(supplier, agent, None);
        number[0] + number[1] + 1 > RATE.1 || amount[0] + amount[1] + minor > BUDGET.1
    }

    fn has_room(&self, one: &Plain) -> bool {
        let What::Pay {
            agent,
            supplier,
            minor,
        } = one.what
        else {
            return true;
        };
        let [number, amount] = self.so_far(supplier, agent, Some(one.number));
        number[0] < RATE.1 && amount[0] + minor <= BUDGET.1
    }

    fn frozen(&self, what: &What) -> bool {
        let mut freezes = self.freezes.iter();
        freezes.any(|(_, over)| over.is_none_or(|over| over == what.action() || over == what.agent()))
    }

    /// Whether a proposal may be received: everything that is used once is new, what it replaces can't run any more,
    /// and its limits were counted as they stand.
    pub(super) fn receives(&self, new: &Plain, counted: bool, rules: bool) -> bool {
        let used = |known: &Plain| {
            let same = known.what.agent() == new.what.agent();
            known.number == new.number || same && (known.key == new.key || known.nonce == new.nonce)
        };
        if !rules || self.all.iter().any(used) {
            return false;
        }
        if new.low() {
            return true;
        }
        if let Some(old) = new.replaces {
            let Some(old) = self.all.iter().find(|known| known.number == old) else {
                return false;
            };
            let by_another = old.life == "superseded" && old.replaced_by != Some(new.number);
            if !old.ended() || old.ran() || by_another || old.what.agent() != new.what.agent() {
                return false;
            }
        }
        counted || self.so_far_is_nothing(&new.what)
    }

    fn so_far_is_nothing(&self, what: &What) -> bool {
        match *what {
            What::Pay { agent, supplier, .. } => self.so_far(supplier, agent, None) == [[0; 3]; 2],
            _ => true,
        }
    }

    /// Whether an execution may begin, as the ledger goes: in its turn, with the plan of the first attempt, by the right
    /// lock, not while it is frozen, and while its limits have room.
    pub(super) fn begins(&self, one: &Plain, says: &Begins) -> bool {
        let in_turn = match one.life {
            "received" => one.low(),
            "merged" => !one.low(),
            "unknown" => one.resumable(),
            _ => false,
        };
        let next = one.begun.as_ref().map_or(0, |begun| begun.attempt) + 1;
        let same_plan = says.plan.is_some() && (one.plan.is_none() || one.plan == says.plan);
        // Only what is low is claimed by an outbox.
        let right_claim = one.low() || !says.by_outbox;
        if !in_turn || !same_plan || says.attempt != next || !right_claim || !says.right_items {
            return false;
        }
        // Thawing passes the gate of the high tier, whatever an executor says. INVARIANT i22.
        if says.thaws.is_some() && one.what.tier() != "high" {
            return false;
        }
        // What an outbox claimed ran before it is recorded.
        if says.by_outbox {
            return true;
        }
        let stopped = self.frozen(&one.what) && says.thaws.is_none();
        !stopped && (next > 1 || self.has_room(one))
    }

    /// Whether anything about an execution under way may be told by an instance.
    pub(super) fn tells(&self, one: &Plain, instance: &str, item: u8) -> bool {
        one.life == "started" && one.is_of(instance) && !one.excluded.contains(&item)
    }

    pub(super) fn thaws(&self, one: &Plain, freeze: u64) -> bool {
        let claimed = one.begun.as_ref().and_then(|begun| begun.thaws);
        let holds = self.freezes.iter().any(|(seq, _)| *seq == freeze);
        one.life == "started" && claimed == Some(freeze) && holds
    }

    /// Items that a person takes out: known ones, each once, and never all.
    pub(super) fn excludes(&self, one: &Plain, items: &[u8]) -> bool {
        let known = 1..=one.what.items();
        let left = known
            .clone()
            .filter(|item| !one.excluded.contains(item) && !items.contains(item));
        let mut seen = one.excluded.clone();
        for item in items {
            if !known.contains(item) || seen.contains(item) {
                return false;
            }
            seen.push(*item);
        }
        one.life == "open" && !items.is_empty() && left.count() > 0
    }

    /// What time brings about.
    pub(super) fn due(&self, one: &Plain) -> Vec<&'static str> {
        if !["received", "open"].contains(&one.life) {
            return Vec::new();
        }
        if self.now >= one.expires() {
            return vec!["expired"];
        }
        let (remind, escalate) = if one.what.tier() == "high" {
            (60, 240)
        } else {
            (120, 480)
        };
        let mut due = Vec::new();
        if one.life == "open" && !one.reminded && self.now >= one.opened + remind {
            due.push("reminded");
        }
        if one.life == "open" && !one.escalated && self.now >= one.opened + escalate {
            due.push("escalated");
        }
        due
    }

    /// Whether the gate is open now: everything that keeps it shut, one after the other.
    pub(super) fn open(&self, one: &Plain) -> bool {
        let Weather {
            protected,
            same_rules,
            clock_right,
        } = self.weather;
        if !same_rules || !clock_right || one.over {
            return false;
        }
        if self.frozen(&one.what) && !matches!(one.what, What::Thaw { .. }) {
            return false;
        }
        if one.low() {
            let in_time = self.now < one.expires() && self.now <= one.created + BEGIN_WITHIN;
            return (one.life == "received" || one.resumable()) && in_time;
        }
        let live = ["open", "merged"].contains(&one.life) || one.resumable();
        if !live || !protected || one.foreign_head || one.foreign_text || one.closed {
            return false;
        }
        let decided = match one.merged {
            None if one.life != "open" => return false,
            None => self.now,
            Some((at, _)) if self.now > at + BEGIN_WITHIN => return false,
            Some((at, _)) => at,
        };
        if decided >= one.expires() {
            return false;
        }
        self.approved(one, decided)
    }

    fn approved(&self, one: &Plain, decided: i64) -> bool {
        let mut parties = vec![one.what.sponsor()];
        parties.extend(&one.editors);
        parties.extend(&one.co_writers);
        if let Some((_, by)) = one.merged {
            let released = by.map(|by| by.name).into_iter().chain(one.merge_recorded_by);
            parties.extend(released.clone());
            if released.into_iter().any(|name| name == "nobody") {
                return false;
            }
        }
        let mut teams = Vec::new();
        for person in PEOPLE.iter().filter(|person| person.name != "nobody") {
            let theirs = one.votes.iter().filter(|vote| vote.who.account == person.account);
            let last = theirs
                .filter(|vote| vote.says != "commented")
                .max_by_key(|vote| (vote.at, vote.id));
            let Some(last) = last else { continue };
            if last.says == "changes_requested" {
                return false;
            }
            let fresh = one.what.tier() != "high" || decided <= last.at + DAY;
            let counts = last.says == "approved" && last.recorded && last.on_our_head;
            if counts && fresh && last.at <= decided && !parties.contains(&person.name) {
                teams.push(person.team);
            }
        }
        match one.what.tier() {
            "high" => teams.contains(&"finance") && teams.contains(&"treasury"),
            _ => teams.contains(&"marketing"),
        }
    }
}

impl Plain {
    /// A proposal as it arrives.
    pub(super) fn new(number: u64, what: What, key: u64, nonce: u64, created: i64) -> Self {
        Self {
            number,
            what,
            key,
            nonce,
            created,
            life: "received",
            over: false,
            co_writers: Vec::new(),
            replaces: None,
            replaced_by: None,
            pull: None,
            opened: 0,
            reminded: false,
            escalated: false,
            votes: Vec::new(),
            foreign_head: false,
            foreign_text: false,
            closed: false,
            merged: None,
            merge_recorded_by: None,
            editors: Vec::new(),
            excluded: Vec::new(),
            begun: None,
            plan: None,
            stopped: false,
            ran_at: None,
            erased: false,
        }
    }

    pub(super) fn begin(&mut self, says: &Begins, now: i64) {
        self.life = "started";
        self.plan = says.plan;
        self.ran_at = self.ran_at.or(Some(now));
        self.begun = Some(Begun {
            instance: says.instance,
            attempt: says.attempt,
            resumable: says.resumable,
            thaws: says.thaws,
        });
    }
}
