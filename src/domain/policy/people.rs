//! `people.yaml`: who people are, by their numeric accounts, and which teams they are in.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Errors, Rule, unknown};
use crate::domain::{
    calendar::{Calendar, WorkingHours, Zone},
    ids::{AccountId, Login, PersonName, TeamName},
    source::Node,
};

/// A GitHub account: the id counts, the login is what people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The login, for people.
    login: Login,
    /// The number: `gh api users/LOGIN --jq .id`.
    id: AccountId,
}

impl Account {
    /// The login as the file has it.
    pub fn login(&self) -> &Login {
        &self.login
    }
    /// The numeric id, which a rename keeps.
    pub fn id(&self) -> AccountId {
        self.id
    }
}

/// A person who may approve, sponsor or release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    name: PersonName,
    full_name: Option<String>,
    accounts: Vec<Account>,
    teams: Vec<TeamName>,
    working_hours: Option<WorkingHours>,
    time_zone: Option<Zone>,
    stand_ins: Vec<PersonName>,
}

impl Person {
    /// The name other policy files use.
    pub fn name(&self) -> &PersonName {
        &self.name
    }
    /// The name people read, when the file has one.
    pub fn full_name(&self) -> Option<&str> {
        self.full_name.as_deref()
    }
    /// All accounts of this person; at least one.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }
    /// The teams, as the policy has them; membership on GitHub is looked up again (INVARIANT i09).
    pub fn teams(&self) -> &[TeamName] {
        &self.teams
    }
    /// When the person works; without a calendar every hour counts.
    pub fn working_hours(&self) -> Option<&WorkingHours> {
        self.working_hours.as_ref()
    }
    /// Where the person lives, as the file has it.
    pub fn time_zone(&self) -> Option<&Zone> {
        self.time_zone.as_ref()
    }
    /// Who may be delegated to, and who is asked when an escalation is due.
    pub fn stand_ins(&self) -> &[PersonName] {
        &self.stand_ins
    }
    /// Whether an account is this person's.
    pub fn has_account(&self, id: AccountId) -> bool {
        self.accounts.iter().any(|account| account.id == id)
    }
}

/// Everyone in `people.yaml`.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    by_name: BTreeMap<PersonName, Person>,
    by_account: BTreeMap<AccountId, PersonName>,
    by_login: BTreeMap<String, PersonName>,
    teams: BTreeSet<TeamName>,
    /// Names whose entry has an error of its own; what refers to them has none.
    unread: BTreeSet<String>,
}

impl People {
    pub(super) fn get(&self, name: &PersonName) -> Option<&Person> {
        self.by_name.get(name)
    }
    pub(super) fn of_account(&self, id: AccountId) -> Option<&Person> {
        self.get(self.by_account.get(&id)?)
    }
    /// By login; GitHub compares logins without case.
    pub(super) fn of_login(&self, login: &str) -> Option<&Person> {
        self.get(self.by_login.get(&login.to_ascii_lowercase())?)
    }
    pub(super) fn all(&self) -> impl Iterator<Item = &Person> {
        self.by_name.values()
    }
    /// Whether a name or login stands in the file, even if its entry can't be read.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.unread.contains(&name.to_ascii_lowercase())
            || self.by_name.keys().any(|known| known.as_str() == name)
    }
    pub(super) fn has_team(&self, team: &TeamName) -> bool {
        self.teams.contains(team)
    }
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(PersonName::as_str)
    }
    pub(super) fn teams(&self) -> impl Iterator<Item = &str> {
        self.teams.iter().map(TeamName::as_str)
    }
    pub(super) fn logins(&self) -> impl Iterator<Item = &str> {
        let accounts = self.by_name.values().flat_map(|person| &person.accounts);
        accounts.map(|account| account.login.as_str())
    }
}

/// A person who may approve, sponsor or release.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPerson {
    /// The name people read.
    full_name: Option<String>,
    /// All GitHub accounts of this one person; at least one.
    #[schemars(length(min = 1))]
    accounts: Vec<Account>,
    /// The teams, as GitHub has them; membership is looked up there again.
    #[serde(default)]
    teams: Vec<TeamName>,
    /// One of the file's calendars: when this person works.
    calendar: Option<String>,
    /// Where those hours are, as in `Europe/Berlin`.
    time_zone: Option<Zone>,
    /// Who may stand in while this person is away; the delegation itself is theirs to give.
    #[serde(default)]
    stand_ins: Vec<PersonName>,
}

/// Reads `people.yaml`: the people, and the calendars that they name; people with errors are left out.
pub(super) fn read(list: &Node, calendars: Option<&Node>, errors: &mut Errors) -> People {
    let calendars = read_calendars(calendars, errors);
    let mut people = People::default();
    errors.mapping(list, "a mapping from each person's name to the person");
    for (key, node) in list.entries() {
        let name: PersonName = match key.text().parse() {
            Ok(name) => name,
            Err(error) => {
                errors.add(Rule::Syntax, key.mark(), error.to_string());
                people.mention(key.text(), node);
                continue;
            }
        };
        match node.decode::<RawPerson>() {
            Ok(raw) => people.add(name, raw, node, &calendars, errors),
            Err(fault) => {
                errors.fault(Rule::Syntax, fault);
                people.mention(key.text(), node);
            }
        }
    }
    for (key, _) in list.entries() {
        if people.teams().any(|team| team == key.text()) {
            let message = format!("`{}` is both a person and a team; rename one", key.text());
            errors.add(Rule::Duplicate, key.mark(), message);
        }
    }
    for (key, node) in list.entries() {
        people.check_stand_ins(key.text(), node, errors);
    }
    people
}

/// A calendar with an error is kept without its hours, so that whoever names it has no error.
type Calendars = BTreeMap<String, Option<Calendar>>;

fn read_calendars(node: Option<&Node>, errors: &mut Errors) -> Calendars {
    let mut calendars = Calendars::new();
    let Some(node) = node else {
        return calendars;
    };
    errors.mapping(node, "a mapping from each calendar's name to the calendar");
    for (key, node) in node.entries() {
        let calendar = node.decode::<Calendar>();
        let calendar = calendar.map_err(|fault| errors.fault(Rule::Syntax, fault)).ok();
        calendars.insert(key.text().to_owned(), calendar);
    }
    calendars
}

/// When somebody works, as the file has it.
fn working_hours(
    raw: &RawPerson,
    node: &Node,
    calendars: &Calendars,
    errors: &mut Errors,
) -> Option<WorkingHours> {
    let name = raw.calendar.as_deref()?;
    let Some(calendar) = calendars.get(name) else {
        let known = calendars.keys().map(String::as_str);
        let fault = unknown(node.mark_at("/calendar"), "calendar", name, known);
        let fault = match calendars.is_empty() {
            true => fault.with_help(Some(format!(
                "the file has no `calendars`; add it beside `people`, as in `calendars: {{ {name}: {{ days: [mon, tue, wed, thu, fri], hours: 09:00-17:00 }} }}`"
            ))),
            false => fault,
        };
        errors.fault(Rule::UnknownName, fault);
        return None;
    };
    let Some(zone) = &raw.time_zone else {
        let message = "hours are those of some place; add `time_zone`, as in `time_zone: Europe/Berlin`";
        errors.add(Rule::Syntax, node.mark_at("/calendar"), message);
        return None;
    };
    Some(WorkingHours::new(calendar.clone()?, zone.clone()))
}

impl People {
    /// Everybody is known now, so that who stands in can be looked up.
    fn check_stand_ins(&self, name: &str, node: &Node, errors: &mut Errors) {
        let Some(person) = self.by_name.values().find(|person| person.name.as_str() == name) else {
            return;
        };
        let mut seen = BTreeSet::new();
        for (stand_in, index) in person.stand_ins.iter().zip(0..) {
            let mark = node.mark_at(&format!("/stand_ins/{index}"));
            if *stand_in == person.name {
                let message = "nobody stands in for themselves; name another person";
                errors.add(Rule::Syntax, mark, message);
            } else if !self.mentions(stand_in.as_str()) {
                errors.unknown(mark, "person", stand_in.as_str(), self.names());
            } else if !seen.insert(stand_in) {
                errors.add(Rule::Duplicate, mark, format!("`{stand_in}` appears twice"));
            }
        }
    }

    /// Keeps what an entry that can't be read would have defined, so that one mistake is one error.
    fn mention(&mut self, name: &str, node: &Node) {
        let text = |node: &Node| String::deserialize(node).ok();
        let accounts = node.get("accounts").map(Node::items).unwrap_or_default();
        let logins = accounts.iter().filter_map(|account| text(account.get("login")?));
        self.unread.extend(logins.map(|login| login.to_ascii_lowercase()));
        self.unread.insert(name.to_ascii_lowercase());
        let teams = node.get("teams").map(Node::items).unwrap_or_default();
        self.teams
            .extend(teams.iter().filter_map(|team| text(team)?.parse().ok()));
    }

    fn add(
        &mut self,
        name: PersonName,
        raw: RawPerson,
        node: &Node,
        calendars: &Calendars,
        errors: &mut Errors,
    ) {
        let working_hours = working_hours(&raw, node, calendars, errors);
        if raw.accounts.is_empty() {
            let message = format!("`{name}` has no account and could never approve; add one");
            errors.add(Rule::Syntax, node.mark_at("/accounts"), message);
        }
        for (account, index) in raw.accounts.iter().zip(0..) {
            let login = account.login.as_str().to_ascii_lowercase();
            let taken = |by: &PersonName| format!("is already the account of `{by}`");
            if let Some(other) = self.by_account.get(&account.id) {
                let mark = node.mark_at(&format!("/accounts/{index}/id"));
                let message = format!("the account id `{}` {}", account.id, taken(other));
                errors.add(Rule::Duplicate, mark, message);
            }
            if let Some(other) = self.by_login.get(&login) {
                let mark = node.mark_at(&format!("/accounts/{index}/login"));
                let message = format!("the login `{}` {}", account.login, taken(other));
                errors.add(Rule::Duplicate, mark, message);
            }
            if login.ends_with("[bot]") {
                let mark = node.mark_at(&format!("/accounts/{index}/login"));
                let message = format!(
                    "`{}` is a bot, and a bot never approves; name a person's account",
                    account.login
                );
                errors.add(Rule::Syntax, mark, message);
            }
            self.by_account.insert(account.id, name.clone());
            self.by_login.insert(login, name.clone());
        }
        let mut seen = BTreeSet::new();
        for (team, index) in raw.teams.iter().zip(0..) {
            if !seen.insert(team) {
                let mark = node.mark_at(&format!("/teams/{index}"));
                errors.add(Rule::Duplicate, mark, format!("the team `{team}` appears twice"));
            }
        }
        self.teams.extend(raw.teams.iter().cloned());
        let person = Person {
            name: name.clone(),
            full_name: raw.full_name,
            accounts: raw.accounts,
            teams: raw.teams,
            working_hours,
            time_zone: raw.time_zone,
            stand_ins: raw.stand_ins,
        };
        self.by_name.insert(name, person);
    }
}
