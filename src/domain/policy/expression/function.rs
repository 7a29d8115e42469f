//! The functions an expression may call; none reads a clock, a locale or a zone.

use super::{
    ExpressionError as Error, MAX_TEXT,
    eval::{Run, Val},
};

/// A function by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    Sum,
    Int,
    Text,
    Timestamp,
    Duration,
    FullYear,
    Month,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
}

use Function as F;

/// Every function: its name in CEL, whether it can be called on a value, alone, or both, and its values in all.
const ALL: &[(&str, F, Style, usize)] = &[
    ("size", F::Size, Style::Both, 1),
    ("contains", F::Contains, Style::On, 2),
    ("startsWith", F::StartsWith, Style::On, 2),
    ("endsWith", F::EndsWith, Style::On, 2),
    ("lowerAscii", F::LowerAscii, Style::On, 1),
    ("sum", F::Sum, Style::On, 1),
    ("int", F::Int, Style::Alone, 1),
    ("string", F::Text, Style::Alone, 1),
    ("timestamp", F::Timestamp, Style::Alone, 1),
    ("duration", F::Duration, Style::Alone, 1),
    ("getFullYear", F::FullYear, Style::On, 1),
    ("getMonth", F::Month, Style::On, 1),
    ("getDayOfMonth", F::DayOfMonth, Style::On, 1),
    ("getDate", F::Date, Style::On, 1),
    ("getDayOfWeek", F::DayOfWeek, Style::On, 1),
    ("getHours", F::Hours, Style::On, 1),
    ("getMinutes", F::Minutes, Style::On, 1),
];

/// The names that are no functions of [`ALL`] but are called like them.
const MACROS: &[&str] = &["has", "matches", "all", "exists", "exists_one", "filter", "map"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    On,
    Alone,
    Both,
}

/// Every name that may be called.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, ..)| *name).chain(MACROS.iter().copied())
}

impl Function {
    /// The function of a call. Errors: what the name, the style or the count of its values does not allow.
    pub(super) fn of(name: &str, on_value: bool, values: usize) -> Result<Self, Option<String>> {
        let (_, function, style, takes) = ALL.iter().find(|(known, ..)| *known == name).ok_or(None)?;
        let fits = match style {
            Style::Both => true,
            Style::On => on_value,
            Style::Alone => !on_value,
        };
        let shown = match style {
            Style::On | Style::Both if *takes == 1 => format!("value.{name}()"),
            Style::On | Style::Both => format!("value.{name}(other)"),
            Style::Alone => format!("{name}(value)"),
        };
        if fits && *takes == values {
            Ok(*function)
        } else {
            Err(Some(format!("write `{shown}`")))
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            F::Size => "size",
            F::Contains => "contains",
            F::StartsWith => "startsWith",
            F::EndsWith => "endsWith",
            F::LowerAscii => "lowerAscii",
            F::Sum => "sum",
            F::Int => "int",
            F::Text => "string",
            F::Timestamp => "timestamp",
            F::Duration => "duration",
            F::FullYear => "getFullYear",
            F::Month => "getMonth",
            F::DayOfMonth => "getDayOfMonth",
            F::Date => "getDate",
            F::DayOfWeek => "getDayOfWeek",
            F::Hours => "getHours",
            F::Minutes => "getMinutes",
        }
    }

    /// Calls it.
    pub(super) fn call<'s>(self, run: &mut Run<'_, 's>, values: &[Val<'s>]) -> Result<Val<'s>, Error> {
        let wrong = || {
            let kinds: Vec<&str> = values.iter().map(Val::kind).collect();
            Error::Kind {
                what: self.name(),
                found: kinds.join(" and "),
            }
        };
        let unread = || Error::Unread { what: self.name() };
        for value in values {
            if let Val::Text(text) = value {
                run.read(text.len())?;
            }
        }
        let found = match (self, values) {
            (F::Size, [Val::Text(text)]) => count(text.chars().count())?,
            (F::Size, [value]) => count(value.len().ok_or_else(wrong)?)?,
            (F::Contains, [Val::Text(all), Val::Text(part)]) => Val::Bool(all.contains(part.as_ref())),
            (F::StartsWith, [Val::Text(all), Val::Text(part)]) => Val::Bool(all.starts_with(part.as_ref())),
            (F::EndsWith, [Val::Text(all), Val::Text(part)]) => Val::Bool(all.ends_with(part.as_ref())),
            (F::LowerAscii, [Val::Text(text)]) => {
                if text.len() > MAX_TEXT {
                    return Err(Error::LongText(text.len()));
                }
                Val::Text(text.to_ascii_lowercase().into())
            }
            (F::Sum, [list]) => {
                let mut sum = 0_i64;
                for value in list.elements(run)?.ok_or_else(wrong)? {
                    run.step()?;
                    let Val::Int(value) = value else {
                        return Err(Error::Kind {
                            what: self.name(),
                            found: format!("a list with {}", value.kind()),
                        });
                    };
                    sum = sum.checked_add(value).ok_or(Error::Overflow(self.name()))?;
                }
                Val::Int(sum)
            }
            (F::Int, [Val::Int(value)]) => Val::Int(*value),
            (F::Int, [Val::Text(text)]) => Val::Int(text.parse().map_err(|_| unread())?),
            (F::Int, [Val::Time(millis)]) => Val::Int(millis.div_euclid(1000)),
            (F::Text, [Val::Text(text)]) => Val::Text(text.clone()),
            (F::Text, [Val::Int(value)]) => Val::Text(value.to_string().into()),
            (F::Text, [Val::Bool(value)]) => Val::Text(value.to_string().into()),
            (F::Timestamp, [Val::Time(millis)]) => Val::Time(*millis),
            (F::Timestamp, [Val::Text(text)]) => Val::Time(moment(text).ok_or_else(unread)?),
            (F::Duration, [Val::Span(millis)]) => Val::Span(*millis),
            (F::Duration, [Val::Text(text)]) => Val::Span(span(text).ok_or_else(unread)?),
            (_, [Val::Time(millis)]) => Val::Int(self.part(*millis).ok_or_else(wrong)?),
            _ => return Err(wrong()),
        };
        Ok(found)
    }

    /// A part of a moment in UTC, as CEL counts it: months, days of the month and days of the week from zero.
    fn part(self, millis: i64) -> Option<i64> {
        let at = jiff::Timestamp::from_millisecond(millis).ok()?;
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        match self {
            F::FullYear => Some(at.year().into()),
            F::Month => Some(i64::from(at.month()) - 1),
            F::DayOfMonth => Some(i64::from(at.day()) - 1),
            F::Date => Some(at.day().into()),
            F::DayOfWeek => Some(at.weekday().to_sunday_zero_offset().into()),
            F::Hours => Some(at.hour().into()),
            F::Minutes => Some(at.minute().into()),
            F::Size
            | F::Contains
            | F::StartsWith
            | F::EndsWith
            | F::LowerAscii
            | F::Sum
            | F::Int
            | F::Text
            | F::Timestamp
            | F::Duration => None,
        }
    }
}

fn count<'s>(count: usize) -> Result<Val<'s>, Error> {
    i64::try_from(count)
        .map(Val::Int)
        .map_err(|_| Error::Overflow("size"))
}

/// Milliseconds since 1970 of an RFC 3339 text.
pub(super) fn moment(text: &str) -> Option<i64> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(at.as_millisecond())
}

/// Milliseconds of a text such as `90s`, `1h30m`, `2d`.
pub(super) fn span(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let mut sum = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(digits)?;
        let unit_end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(unit_end)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(factor)?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    Some(if text.starts_with('-') { -sum } else { sum })
}
