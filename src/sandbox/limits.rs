//! Rate limits: counted per token holder, per hour of the sandbox's clock.
use std::collections::HashMap;

use jiff::Timestamp;

use super::call::Caller;

/// Requests an hour, as an installation has them at least.
const USUAL: u64 = 5000;
const HOUR: i64 = 3600;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) limit: u64,
    pub(crate) used: u64,
    pub(crate) reset: i64,
}

impl Budget {
    pub(crate) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

#[derive(Debug)]
pub(crate) struct Budgets {
    limit: u64,
    spent: HashMap<String, Budget>,
}

impl Budgets {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self {
            limit: limit.unwrap_or(USUAL),
            spent: HashMap::new(),
        }
    }

    /// The budget of one who is not limited: people at the pages.
    pub(crate) fn unlimited() -> Budget {
        Budget {
            limit: USUAL,
            used: 0,
            reset: 0,
        }
    }

    /// The caller's budget after `cost` more requests.
    pub(crate) fn spend(&mut self, caller: &Caller, now: Timestamp, cost: u64) -> Budget {
        let budget = self.of(caller, now);
        budget.used += cost;
        *budget
    }

    /// Gives one request back: a 304 costs nothing.
    pub(crate) fn refund(&mut self, caller: &Caller, now: Timestamp) -> Budget {
        let budget = self.of(caller, now);
        budget.used = budget.used.saturating_sub(1);
        *budget
    }

    fn of(&mut self, caller: &Caller, now: Timestamp) -> &mut Budget {
        let key = match caller {
            Caller::Anonymous => "anonymous".to_owned(),
            Caller::User { id } => format!("user {id}"),
            Caller::App { id } => format!("app {id}"),
            Caller::Installation { id, .. } => format!("installation {id}"),
        };
        let now = now.as_second();
        let budget = self.spent.entry(key).or_insert(Budget {
            limit: self.limit,
            used: 0,
            reset: now + HOUR,
        });
        if budget.reset <= now {
            *budget = Budget {
                limit: self.limit,
                used: 0,
                reset: now + HOUR,
            };
        }
        budget
    }
}
