//! Dates of Chinese, Japanese and Korean, which name their parts: 2024年5月13日 上午10时30分.

/// The date in digits and marks, as `2024-5-13 10:30 am`; `None` where no part is named so.
pub(super) fn latin(text: &str) -> Option<String> {
    let named = text.contains(['年', '년']);
    if !named && (text.is_ascii() || !HALVES.iter().any(|(word, _)| text.contains(word))) {
        return None;
    }
    let mut out = String::new();
    let mut half = "";
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((word, pm)) = HALVES.iter().find(|(word, _)| rest.starts_with(word)) {
            half = pm;
            out.push(' ');
            rest = &rest[word.len()..];
            continue;
        }
        if let Some(day) = DAYS.iter().find(|day| rest.starts_with(**day)) {
            out.push(' ');
            rest = &rest[day.len()..];
            // 星期一, 周一
            if matches!(*day, "星期" | "周" | "週") {
                rest = rest.trim_start_matches(['一', '二', '三', '四', '五', '六', '日', '天']);
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '年' | '년' | '月' | '월' => {
                out.push('-');
                rest = rest.trim_start();
            }
            '日' | '号' | '號' | '일' | '秒' | '초' | '(' | ')' | '（' | '）' => {
                out.push(' ')
            }
            '时' | '時' | '点' | '點' | '시' => {
                out.push(':');
                rest = rest.trim_start();
                // The full hour.
                if !rest.starts_with(|c: char| c.is_ascii_digit() || ('０'..='９').contains(&c)) {
                    out.push_str("00 ");
                }
            }
            '分' | '분' => {
                rest = rest.trim_start();
                let seconds =
                    rest.starts_with(|c: char| c.is_ascii_digit() || ('０'..='９').contains(&c));
                out.push(if seconds { ':' } else { ' ' });
            }
            '０'..='９' => out.push(char::from(b'0' + (c as u32 - '０' as u32) as u8)),
            '：' => out.push(':'),
            c => out.push(c),
        }
    }
    let day = padded(out.trim_end().trim_end_matches('-'));
    Some(if half.is_empty() {
        day
    } else {
        format!("{day} {half}")
    })
}

/// The text with two digits behind each colon: 3:5 is 3:05.
fn padded(text: &str) -> String {
    let mut parts = text.split(':');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        out.push_str(if digits == 1 { ":0" } else { ":" });
        out.push_str(part);
    }
    out
}

/// Halves of the day, which stand before the time.
const HALVES: [(&str, &str); 6] = [
    ("上午", "am"),
    ("下午", "pm"),
    ("午前", "am"),
    ("午後", "pm"),
    ("오전", "am"),
    ("오후", "pm"),
];

/// Days of the week.
const DAYS: [&str; 26] = [
    "星期",
    "周",
    "週",
    "月曜日",
    "火曜日",
    "水曜日",
    "木曜日",
    "金曜日",
    "土曜日",
    "日曜日",
    "(月)",
    "(火)",
    "(水)",
    "(木)",
    "(金)",
    "(土)",
    "(日)",
    "월요일",
    "화요일",
    "수요일",
    "목요일",
    "금요일",
    "토요일",
    "일요일",
    "（月）",
    "（日）",
];
