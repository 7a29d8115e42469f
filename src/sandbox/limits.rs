//! Rate limits: counted per token holder, per hour of the sandbox's clock.
use std::collections::HashMap;

use jiff::Timestamp;

use super::call::Caller;

/// Requests an hour, as an installation has them at least.
pub(crate) const LIMIT: u64 = 5000;
const HOUR: i64 = 3600;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub(crate) used: u64,
    pub(crate) reset: i64,
}

impl Budget {
    pub(crate) fn remaining(self) -> u64 {
        LIMIT.saturating_sub(self.used)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Budgets(HashMap<String, Budget>);

impl Budgets {
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
        let budget = self.0.entry(key).or_insert(Budget {
            used: 0,
            reset: now + HOUR,
        });
        if budget.reset <= now {
            *budget = Budget {
                used: 0,
                reset: now + HOUR,
            };
        }
        budget
    }
}
