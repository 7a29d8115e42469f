//! Numbers that states give to people: a table of shapes, each with its check digits where the state defines any.

mod digits;

use std::sync::LazyLock;

use super::Hit;
use digits as d;

/// How a number is written.
struct Form {
    /// The lengths of its groups, joined by one space, `-`, `.` or `/`.
    groups: &'static [usize],
    /// Whether the shape alone tells it; without, a word beside it must.
    alone: bool,
}

const fn alone(groups: &'static [usize]) -> Form {
    Form { groups, alone: true }
}
const fn named(groups: &'static [usize]) -> Form {
    Form { groups, alone: false }
}

/// One kind of number.
struct NationalId {
    country: &'static str,
    what: &'static str,
    forms: &'static [Form],
    /// Whether letters and digits without separators, in upper case, are such a number.
    holds: fn(&[u8]) -> bool,
    /// Words in a field's name or right before the number, in lower case.
    words: &'static [&'static str],
}

/// Each with the source of its rule; those whose digits any order number could have need a word beside them.
const TABLE: &[NationalId] = &[
    // Bundeszentralamt für Steuern, Steueridentifikationsnummer: ISO 7064 MOD 11,10.
    NationalId {
        country: "de",
        what: "a German tax number",
        forms: &[named(&[11]), alone(&[2, 3, 3, 3])],
        holds: d::steuer_id,
        words: &["steuer", "idnr", "taxid", "tax id", "tin"],
    },
    // Rijksdienst voor Identiteitsgegevens, burgerservicenummer: elfproef with a last weight of -1.
    NationalId {
        country: "nl",
        what: "a Dutch citizen service number",
        forms: &[named(&[9]), named(&[4, 2, 3]), named(&[3, 3, 3])],
        holds: d::bsn,
        words: &["bsn", "burgerservice", "sofi"],
    },
    // Ministerio del Interior, NIF and NIE: a letter by the number modulo 23.
    NationalId {
        country: "es",
        what: "a Spanish identity number",
        forms: &[alone(&[9]), alone(&[8, 1]), alone(&[1, 7, 1])],
        holds: d::dni,
        words: &[],
    },
    // Decreto ministeriale 23 dicembre 1976: a letter by two tables.
    NationalId {
        country: "it",
        what: "an Italian fiscal code",
        forms: &[alone(&[16]), alone(&[6, 5, 5]), alone(&[3, 3, 5, 5])],
        holds: d::codice_fiscale,
        words: &[],
    },
    // INSEE, numéro d'inscription au répertoire: 97 minus the number modulo 97.
    NationalId {
        country: "fr",
        what: "a French social security number",
        forms: &[
            alone(&[15]),
            alone(&[13, 2]),
            alone(&[1, 2, 2, 2, 3, 3, 2]),
            alone(&[1, 2, 2, 5, 3, 2]),
        ],
        holds: d::nir,
        words: &[],
    },
    // Ustawa o ewidencji ludności, PESEL: weights 1, 3, 7, 9.
    NationalId {
        country: "pl",
        what: "a Polish PESEL number",
        forms: &[named(&[11])],
        holds: d::pesel,
        words: &["pesel"],
    },
    // Koninklijk besluit of 3 April 1984, national register number: 97 minus the number modulo 97.
    NationalId {
        country: "be",
        what: "a Belgian national number",
        forms: &[named(&[11]), alone(&[2, 2, 2, 3, 2])],
        holds: d::rijksregister,
        words: &[
            "rijksregister",
            "registrenational",
            "registre national",
            "nationalnumber",
            "national number",
            "insz",
            "niss",
        ],
    },
    // NHS Data Dictionary, NHS NUMBER: modulus 11.
    NationalId {
        country: "gb",
        what: "an NHS number",
        forms: &[named(&[10]), named(&[3, 3, 4])],
        holds: d::nhs,
        words: &["nhs"],
    },
    // HMRC, National Insurance Manual NIM39110: prefixes never used; no check digit.
    NationalId {
        country: "gb",
        what: "a UK National Insurance number",
        forms: &[alone(&[9]), alone(&[2, 2, 2, 2, 1]), alone(&[2, 6, 1])],
        holds: d::nino,
        words: &[],
    },
    // Social Security Administration, POMS RM 10201.035: numbers never given; no check digit.
    NationalId {
        country: "us",
        what: "a US Social Security number",
        forms: &[named(&[9]), alone(&[3, 2, 4])],
        holds: d::ssn,
        words: &["ssn", "socialsecurity", "social security"],
    },
    // Zentrale Ausgleichsstelle, AHV-Nummer: EAN-13 with 756 in front.
    NationalId {
        country: "ch",
        what: "a Swiss AHV number",
        forms: &[alone(&[13]), alone(&[3, 4, 4, 2])],
        holds: d::ahv,
        words: &[],
    },
    // Dachverband der Sozialversicherungsträger, Versicherungsnummer: weighted sum modulo 11 as the fourth digit.
    NationalId {
        country: "at",
        what: "an Austrian social insurance number",
        forms: &[named(&[10]), named(&[4, 6])],
        holds: d::svnr,
        words: &["svnr", "sozialversicherung", "versicherungsnummer", "svnummer"],
    },
    // Decreto-Lei 14/2013, NIF: weighted sum modulo 11; people begin with 1, 2 or 3.
    NationalId {
        country: "pt",
        what: "a Portuguese tax number",
        forms: &[named(&[9]), named(&[3, 3, 3])],
        holds: d::nif,
        words: &["nif", "contribuinte"],
    },
    // Skatteverket SKV 704: Luhn over ten digits.
    NationalId {
        country: "se",
        what: "a Swedish personal number",
        forms: &[named(&[10]), named(&[12]), alone(&[6, 4]), alone(&[8, 4])],
        holds: d::personnummer,
        words: &["personnummer", "personnr", "samordningsnummer"],
    },
    // Digi- ja väestötietovirasto, henkilötunnus: a character by the number modulo 31.
    NationalId {
        country: "fi",
        what: "a Finnish personal identity code",
        forms: &[alone(&[6, 4]), alone(&[11])],
        holds: d::hetu,
        words: &[],
    },
    // Skatteetaten, fødselsnummer: two check digits modulo 11.
    NationalId {
        country: "no",
        what: "a Norwegian identity number",
        forms: &[alone(&[11]), alone(&[6, 5])],
        holds: d::fodselsnummer,
        words: &[],
    },
    // CPR-kontoret: no check digit since 2007, so a date and a word.
    NationalId {
        country: "dk",
        what: "a Danish CPR number",
        forms: &[named(&[10]), named(&[6, 4])],
        holds: d::cpr,
        words: &["cpr", "personnummer"],
    },
    // Department of Social Protection, PPS number: a letter by the weighted sum modulo 23.
    NationalId {
        country: "ie",
        what: "an Irish PPS number",
        forms: &[named(&[8]), named(&[9])],
        holds: d::pps,
        words: &["pps"],
    },
    // Receita Federal, CPF: two check digits modulo 11.
    NationalId {
        country: "br",
        what: "a Brazilian CPF number",
        forms: &[named(&[11]), alone(&[3, 3, 3, 2])],
        holds: d::cpf,
        words: &["cpf"],
    },
    // Employment and Social Development Canada, SIN: Luhn.
    NationalId {
        country: "ca",
        what: "a Canadian social insurance number",
        forms: &[named(&[9]), named(&[3, 3, 3])],
        holds: d::sin,
        words: &["sin", "socialinsurance", "social insurance"],
    },
    // UIDAI, Aadhaar: Verhoeff.
    NationalId {
        country: "in",
        what: "an Aadhaar number",
        forms: &[named(&[12]), named(&[4, 4, 4])],
        holds: d::aadhaar,
        words: &["aadhaar", "aadhar", "uidai"],
    },
    // GB 11643-1999: ISO 7064 MOD 11-2.
    NationalId {
        country: "cn",
        what: "a Chinese resident identity number",
        forms: &[alone(&[18])],
        holds: d::resident_id,
        words: &[],
    },
];

/// How far before a number a word may stand, in bytes.
const BESIDE: usize = 48;

/// The countries in the table.
pub(super) fn countries() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|id| id.country)
}

/// The forms by the length of their first group, so that most words are passed over at once.
static BY_FIRST: LazyLock<[Vec<(&NationalId, &Form)>; 20]> = LazyLock::new(|| {
    std::array::from_fn(|length| {
        let all = TABLE
            .iter()
            .flat_map(|id| id.forms.iter().map(move |form| (id, form)));
        all.filter(|(_, form)| form.groups.first() == Some(&length))
            .collect()
    })
});

/// National ids of some countries; of all when none is named.
pub(super) fn find(text: &str, field: Option<&str>, countries: &[String]) -> Vec<Hit> {
    let words = words(text.as_bytes());
    let mut hits = Vec::new();
    let mut next = 0;
    while let Some(rest) = words.get(next..) {
        let Some((start, end)) = rest.first() else {
            break;
        };
        let forms = BY_FIRST.get(end - start).map_or(&[][..], Vec::as_slice);
        let wanted =
            |id: &NationalId| countries.is_empty() || countries.iter().any(|name| name == id.country);
        let found = forms
            .iter()
            .filter(|(id, _)| wanted(id))
            .find_map(|(id, form)| id.at(form, text, rest, field));
        match found {
            Some(hit) => {
                next += rest
                    .iter()
                    .take_while(|(start, _)| *start < hit.range.end)
                    .count();
                hits.push(hit);
            }
            None => next += 1,
        }
    }
    hits
}

/// Every run of letters and digits, in bytes.
fn words(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let word = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte >= 0x80)
            .count();
        if word > 0 {
            words.push((at, at + word));
        }
        at += word.max(1);
    }
    words
}

impl NationalId {
    /// The number in this form that begins with the first word.
    fn at(&self, form: &Form, text: &str, words: &[(usize, usize)], field: Option<&str>) -> Option<Hit> {
        let bytes = text.as_bytes();
        let words = words.get(..form.groups.len())?;
        let mut last: Option<usize> = None;
        for ((from, to), length) in words.iter().zip(form.groups) {
            let joined = |last: usize| matches!(bytes.get(last..*from), Some([b' ' | b'-' | b'.' | b'/']));
            if to - from != *length || last.is_some_and(|last| !joined(last)) {
                return None;
            }
            last = Some(*to);
        }
        let (start, end) = (words.first()?.0, last?);
        let plain: Vec<u8> = bytes
            .get(start..end)?
            .iter()
            .filter(|byte| byte.is_ascii_alphanumeric())
            .map(u8::to_ascii_uppercase)
            .collect();
        let holds = (self.holds)(&plain) && (form.alone || self.is_named(text, start, field));
        holds.then(|| Hit {
            range: start..end,
            what: self.what,
            masked: format!("***{}", tail_of(&plain)),
        })
    }

    /// Whether the field's name or a word right before says what number it is.
    fn is_named(&self, text: &str, start: usize, field: Option<&str>) -> bool {
        let from = (start.saturating_sub(BESIDE)..=start).find(|from| text.is_char_boundary(*from));
        let before = from
            .and_then(|from| text.get(from..start))
            .unwrap_or_default()
            .to_lowercase();
        let has = |word: &str| {
            before.match_indices(word).any(|(at, _)| {
                // Short words only where they are a word of their own.
                let whole = !before
                    .get(..at)
                    .is_some_and(|front| front.ends_with(|c: char| c.is_alphabetic()))
                    && !before
                        .get(at + word.len()..)
                        .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphabetic()));
                whole || word.len() > 4
            })
        };
        let in_field = |word: &str| {
            field.is_some_and(|name| {
                if word.len() > 3 {
                    name.contains(word)
                } else {
                    name.starts_with(word) || name.ends_with(word)
                }
            })
        };
        self.words.iter().any(|word| in_field(word) || has(word))
    }
}

/// The last two characters.
fn tail_of(plain: &[u8]) -> String {
    plain
        .iter()
        .skip(plain.len().saturating_sub(2))
        .map(|byte| char::from(*byte))
        .collect()
}
