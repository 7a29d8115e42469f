//! Working hours: which part of a time somebody could have answered in.
//!
//! Only reminders and escalation count by them; what keeps anybody safe (expiry, the age of an approval, the time to
//! execute) runs on the wall's clock. The rules of the time zones are the program's own, so that no machine's data
//! changes a date.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::{
    civil::{Date, Time, Weekday},
    tz::{TimeZone, TimeZoneDatabase},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::ids::{Span, Timestamp};

/// How many days are looked at for working hours: twenty years, twice the longest span.
const HORIZON: usize = 7_305;
const MINUTES_OF_A_DAY: i16 = 1_440;

/// A time zone of the IANA database, as in `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(inline)]
pub struct Zone(#[schemars(with = "String")] TimeZone);

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }
    /// The end of a day there, written as in `2026-12-01`; nothing when it is not a day.
    pub fn end_of(&self, day: &str) -> Option<Timestamp> {
        let date = date(day)?.tomorrow().ok()?;
        let end = self.0.to_timestamp(date.to_datetime(Time::midnight())).ok()?;
        Some(Timestamp::from_millis(end.as_millisecond()))
    }
}

/// A day as `2026-12-25`, and in no other way.
fn date(text: &str) -> Option<Date> {
    text.parse::<Date>().ok().filter(|date| date.to_string() == text)
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = TimeZoneDatabase::bundled().get(text);
        // The database looks names up without case; one spelling is enough.
        let found = found
            .ok()
            .filter(|zone| zone.iana_name() == Some(text) && !zone.is_unknown());
        found.map(Self).ok_or_else(|| {
            let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
            format!("`{shown}` is not a time zone; write an IANA name, as in `Europe/Berlin`")
        })
    }
}
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}
impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Working days, their hours, and the days off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// The working days: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`.
    #[serde(deserialize_with = "days")]
    #[schemars(
        with = "BTreeSet<String>",
        length(min = 1),
        inner(regex(pattern = "^(mon|tue|wed|thu|fri|sat|sun)$"))
    )]
    days: Vec<Weekday>,
    /// The hours within one day, as in `09:00-17:00`.
    #[schemars(with = "String", regex(pattern = "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$"))]
    hours: Hours,
    /// Days off, as in `2026-12-25`.
    #[serde(default, deserialize_with = "dates")]
    #[schemars(
        with = "BTreeSet<String>",
        inner(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
    )]
    holidays: BTreeSet<Date>,
}

/// As in `09:00-17:00`, in minutes of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hours {
    from: i16,
    until: i16,
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let minutes = |text: &str| {
            let (hour, minute) = text.split_once(':')?;
            let two = |text: &str| {
                let digits = text.len() == 2 && text.bytes().all(|c| c.is_ascii_digit());
                digits.then(|| text.parse::<i16>().ok()).flatten()
            };
            let (hour, minute) = (two(hour)?, two(minute)?);
            let sum = hour * 60 + minute;
            (minute < 60 && sum <= MINUTES_OF_A_DAY).then_some(sum)
        };
        let hours = text.split_once('-').and_then(|(from, until)| {
            let (from, until) = (minutes(from)?, minutes(until)?);
            (from < until).then_some(Self { from, until })
        });
        hours.ok_or_else(|| {
            let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
            D::Error::custom(format!(
                "`{shown}` are no hours; write them within one day, as in `09:00-17:00` or `00:00-24:00`"
            ))
        })
    }
}

fn days<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Weekday>, D::Error> {
    let mut days = Vec::new();
    for text in Vec::<String>::deserialize(from)? {
        let day = match text.as_str() {
            "mon" => Weekday::Monday,
            "tue" => Weekday::Tuesday,
            "wed" => Weekday::Wednesday,
            "thu" => Weekday::Thursday,
            "fri" => Weekday::Friday,
            "sat" => Weekday::Saturday,
            "sun" => Weekday::Sunday,
            _ => {
                let text = text.escape_debug();
                let message = format!("`{text}` is not a day; write mon, tue, wed, thu, fri, sat or sun");
                return Err(D::Error::custom(message));
            }
        };
        if days.contains(&day) {
            return Err(D::Error::custom(format!("`{text}` appears twice")));
        }
        days.push(day);
    }
    if days.is_empty() {
        return Err(D::Error::custom(
            "a calendar without days has no working hours; name some",
        ));
    }
    Ok(days)
}

fn dates<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<Date>, D::Error> {
    let mut dates = BTreeSet::new();
    for text in Vec::<String>::deserialize(from)? {
        let date = date(&text).ok_or_else(|| {
            let text = text.escape_debug();
            D::Error::custom(format!("`{text}` is not a date; write it as in `2026-12-25`"))
        })?;
        if !dates.insert(date) {
            return Err(D::Error::custom(format!("`{text}` appears twice")));
        }
    }
    Ok(dates)
}

/// A calendar where somebody lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingHours {
    calendar: Calendar,
    zone: Zone,
}

impl WorkingHours {
    /// The hours of a calendar in a zone.
    pub fn new(calendar: Calendar, zone: Zone) -> Self {
        Self { calendar, zone }
    }

    /// The working time between two moments, in milliseconds; none when the second is not the later.
    pub fn business_time(&self, from: Timestamp, to: Timestamp) -> i64 {
        let (from_ms, to) = (from.millis(), to.millis());
        self.windows(from)
            .take_while(|(start, _)| *start < to)
            .map(|(start, end)| (end.min(to) - start.max(from_ms)).max(0))
            .sum()
    }

    /// The first moment by which so much working time has passed; none within twenty years.
    pub fn after(&self, from: Timestamp, span: Span) -> Option<Timestamp> {
        let mut left = span.millis();
        if left == 0 {
            return Some(from);
        }
        for (start, end) in self.windows(from) {
            let start = start.max(from.millis());
            let length = (end - start).max(0);
            if length >= left {
                return Some(Timestamp::from_millis(start + left));
            }
            left -= length;
        }
        None
    }

    /// Working hours day by day from a moment's local day on, as milliseconds since 1970, in order and apart.
    fn windows(&self, from: Timestamp) -> impl Iterator<Item = (i64, i64)> {
        let first = jiff::Timestamp::from_millisecond(from.millis())
            .ok()
            .map(|at| self.zone.0.to_datetime(at).date());
        std::iter::successors(first, |date| date.tomorrow().ok())
            .take(HORIZON)
            .filter_map(|date| self.window(date))
    }

    /// The hours of one day. A time that the clocks skip is moved on by what they skip, one that they repeat is the
    /// first (RFC 5545, 3.3.5); a day that they skip altogether has none.
    fn window(&self, date: Date) -> Option<(i64, i64)> {
        let calendar = &self.calendar;
        if !calendar.days.contains(&date.weekday()) || calendar.holidays.contains(&date) {
            return None;
        }
        let moment = |minutes: i16| {
            let (date, minutes) = if minutes == MINUTES_OF_A_DAY {
                (date.tomorrow().ok()?, 0)
            } else {
                (date, minutes)
            };
            let time = Time::new(
                i8::try_from(minutes / 60).ok()?,
                i8::try_from(minutes % 60).ok()?,
                0,
                0,
            )
            .ok()?;
            self.zone.0.to_timestamp(date.to_datetime(time)).ok()
        };
        let (start, end) = (moment(calendar.hours.from)?, moment(calendar.hours.until)?);
        let same_day = self.zone.0.to_datetime(start).date() == date;
        (same_day && start < end).then(|| (start.as_millisecond(), end.as_millisecond()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected must stop")]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn office(zone: &str) -> WorkingHours {
        hours("09:00-17:00", &["mon", "tue", "wed", "thu", "fri"], zone)
    }

    fn hours(hours: &str, days: &[&str], zone: &str) -> WorkingHours {
        let calendar = json!({ "days": days, "hours": hours, "holidays": ["2026-12-25", "2026-12-28"] });
        WorkingHours::new(serde_json::from_value(calendar).unwrap(), zone.parse().unwrap())
    }

    const ALL: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    #[rstest]
    // 2026-11-20 is a Friday.
    #[case("2026-11-20T10:00:00Z", "2h", "2026-11-20T12:00:00.000Z")]
    #[case("2026-11-20T16:00:00Z", "2h", "2026-11-23T10:00:00.000Z")]
    #[case("2026-11-20T18:00:00Z", "8h", "2026-11-23T17:00:00.000Z")]
    #[case("2026-11-20T03:00:00Z", "1m", "2026-11-20T09:01:00.000Z")]
    #[case("2026-11-21T12:00:00Z", "0s", "2026-11-21T12:00:00.000Z")]
    #[case("2026-12-24T16:00:00Z", "2h", "2026-12-29T10:00:00.000Z")]
    fn nights_weekends_and_holidays_do_not_count(#[case] from: &str, #[case] span: &str, #[case] to: &str) {
        let office = office("UTC");
        let (from, span) = (at(from), span.parse().unwrap());
        assert_eq!(office.after(from, span).unwrap().to_string(), to);
    }

    #[test]
    fn hours_are_those_of_the_place() {
        let from = at("2026-11-20T12:00:00Z");
        let hour = "1h".parse().unwrap();
        assert_eq!(
            office("America/New_York").after(from, hour),
            Some(at("2026-11-20T15:00:00Z"))
        );
        assert_eq!(
            office("Asia/Kolkata").after(from, hour),
            Some(at("2026-11-23T04:30:00Z"))
        );
    }

    #[rstest]
    // The clocks skip 02:00 to 03:00 on 2026-03-29 and repeat it on 2026-10-25.
    #[case("00:00-24:00", "2026-03-29", 23 * 60)]
    #[case("00:00-24:00", "2026-10-25", 25 * 60)]
    #[case("02:00-03:00", "2026-03-29", 0)]
    #[case("01:00-04:00", "2026-03-29", 2 * 60)]
    #[case("02:00-03:00", "2026-10-25", 2 * 60)]
    #[case("09:00-17:00", "2026-03-29", 8 * 60)]
    fn a_change_of_the_clocks_counts_as_what_really_passes(
        #[case] of: &str,
        #[case] day: &str,
        #[case] minutes: i64,
    ) {
        let berlin = hours(of, &["sun"], "Europe/Berlin");
        let noon = at(&format!("{day}T12:00:00Z"));
        let (from, to) = (noon.millis() - 14 * 3_600_000, noon.millis() + 11 * 3_600_000);
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        assert_eq!(berlin.business_time(from, to), minutes * 60_000);
    }

    #[test]
    fn a_day_that_the_clocks_skip_has_no_hours() {
        // Samoa went from the 29th to the 31st.
        let apia = hours("09:00-17:00", &["thu", "fri"], "Pacific/Apia");
        let (from, to) = (at("2011-12-29T00:00:00Z"), at("2012-01-02T00:00:00Z"));
        assert_eq!(apia.business_time(from, to), 8 * 3_600_000);
    }

    #[rstest]
    #[case(json!({"days": ["mon"], "hours": "17:00-09:00"}), "within one day")]
    #[case(json!({"days": ["mon"], "hours": "9-17"}), "within one day")]
    #[case(json!({"days": ["mon"], "hours": "09:00-24:01"}), "within one day")]
    #[case(json!({"days": ["mon"], "hours": "09:60-17:00"}), "within one day")]
    #[case(json!({"days": ["monday"], "hours": "09:00-17:00"}), "is not a day")]
    #[case(json!({"days": ["mon", "mon"], "hours": "09:00-17:00"}), "appears twice")]
    #[case(json!({"days": [], "hours": "09:00-17:00"}), "has no working hours")]
    #[case(json!({"days": ["mon"], "hours": "09:00-17:00", "holidays": ["2026-02-30"]}), "is not a date")]
    #[case(json!({"days": ["mon"], "hours": "09:00-17:00", "holidays": ["2026-12-25T00:00"]}), "is not a date")]
    #[case(json!({"days": ["mon"], "hours": "09:00-17:00", "off": []}), "unknown field")]
    fn a_calendar_that_says_nothing_sensible_is_refused(#[case] text: serde_json::Value, #[case] why: &str) {
        let error = serde_json::from_value::<Calendar>(text).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_zone_is_one_of_the_database() {
        assert_eq!(
            "Europe/Berlin".parse::<Zone>().unwrap().to_string(),
            "Europe/Berlin"
        );
        for text in [
            "europe/berlin",
            "CET+1",
            "",
            "Local",
            "../etc/passwd",
            "Mars/Olympus",
            "Etc/Unknown",
        ] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }

    fn zone() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kolkata",
            "Pacific/Apia",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "Africa/Casablanca",
        ])
    }

    fn working() -> impl Strategy<Value = WorkingHours> {
        let span = (0i16..1440, 1i16..=1440).prop_filter("not in order", |(from, until)| from < until);
        (prop::sample::subsequence(ALL.to_vec(), 1..=7), span, zone()).prop_map(
            |(days, (from, until), zone)| {
                let clock = |minutes: i16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
                hours(&format!("{}-{}", clock(from), clock(until)), &days, zone)
            },
        )
    }

    fn moment() -> impl Strategy<Value = Timestamp> {
        // 2000 to 2030.
        (946_684_800i64..1_893_456_000).prop_map(|seconds| Timestamp::from_millis(seconds * 1000))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn business_time_adds_up_and_never_shrinks(
            working in working(),
            from in moment(),
            first in 0i64..30 * 86_400,
            second in 0i64..30 * 86_400,
        ) {
            let middle = Timestamp::from_millis(from.millis() + first * 1000);
            let to = Timestamp::from_millis(middle.millis() + second * 1000);
            let whole = working.business_time(from, to);
            prop_assert_eq!(whole, working.business_time(from, middle) + working.business_time(middle, to));
            prop_assert!(whole >= working.business_time(from, middle));
            prop_assert!(whole <= to.since(from));
            prop_assert_eq!(working.business_time(to, from).min(0), 0);
        }

        #[test]
        fn after_is_the_first_moment_with_so_much_business_time(
            working in working(),
            from in moment(),
            minutes in 0u32..6_000,
        ) {
            let span = Span::seconds(minutes * 60);
            // A minute a week never makes a hundred hours within twenty years.
            let Some(reached) = working.after(from, span) else {
                let years = Timestamp::from_millis(from.millis() + 19 * 365 * 86_400_000);
                prop_assert!(working.business_time(from, years) < span.millis());
                return Ok(());
            };
            prop_assert_eq!(working.business_time(from, reached), span.millis());
            let before = Timestamp::from_millis(reached.millis() - 1);
            prop_assert!(minutes == 0 || working.business_time(from, before) < span.millis());
            prop_assert!(reached >= from.plus(span));
        }

        #[test]
        fn business_time_is_the_minutes_within_the_hours(
            working in working(),
            from in moment(),
            minutes in 0i64..4_000,
        ) {
            // Minute by minute, asking each for its local day and time: a plain model, but for the hours in which
            // the clocks change.
            let from = Timestamp::from_millis(from.millis() / 60_000 * 60_000);
            let zone = &working.zone.0;
            let local = |minute: i64| {
                let at = jiff::Timestamp::from_millisecond(from.millis() + minute * 60_000).unwrap();
                (zone.to_datetime(at), zone.to_offset(at))
            };
            prop_assume!((-1500..minutes + 1500).step_by(30).all(|minute| local(minute).1 == local(0).1));
            let within = |minute: &i64| {
                let (local, _) = local(*minute);
                let of_day = i16::from(local.hour()) * 60 + i16::from(local.minute());
                working.calendar.days.contains(&local.weekday())
                    && !working.calendar.holidays.contains(&local.date())
                    && (working.calendar.hours.from..working.calendar.hours.until).contains(&of_day)
            };
            let count = (0..minutes).filter(within).count();
            let to = Timestamp::from_millis(from.millis() + minutes * 60_000);
            prop_assert_eq!(working.business_time(from, to), count as i64 * 60_000);
        }
    }
}
