//! The map as a picture, for reports.

use super::{GREY, Map};
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::path::Path;
use std::sync::Once;

/// Width and height, in pixels.
const SIZE: (u32, u32) = (1600, 1200);
/// Free pixels around the points, and at the top for the title.
const MARGIN: f64 = 40.0;
const TITLE: f64 = 50.0;
const FONT: &str = "sans-serif";

fn failed(e: impl std::fmt::Display) -> Error {
    Error::no_result(format!("the picture of the map: {e}"))
}

/// The picture as SVG.
///
/// # Errors
/// Drawing fails.
pub fn svg(map: &Map) -> Result<String> {
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, SIZE).into_drawing_area();
        draw(map, &area)?;
        area.present().map_err(failed)?;
    }
    Ok(out)
}

/// Writes the picture as PNG.
///
/// # Errors
/// Drawing fails, or the file cannot be written.
pub fn png(map: &Map, path: &Path) -> Result<()> {
    let mut pixels = vec![0; 3 * (SIZE.0 * SIZE.1) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        draw(map, &area)?;
        area.present().map_err(failed)?;
    }
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, SIZE.0, SIZE.1);
    encoder.set_color(::png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    // What cannot be written is said in the system's words.
    std::fs::write(path, bytes).map_err(|e| Error::io(path, e))
}

fn draw<D: DrawingBackend>(map: &Map, area: &DrawingArea<D, Shift>) -> Result<()> {
    static FONTS: Once = Once::new();
    // A font of the program's own: hosts of servers often have none.
    FONTS.call_once(|| {
        let _ = register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
    });
    area.fill(&WHITE).map_err(failed)?;
    let ends = |axis: usize| {
        let values = map.articles.iter().map(|a| f64::from(a.place[axis]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
            (l.min(x), h.max(x))
        })
    };
    let ((left, right), (low, high)) = (ends(0), ends(1));
    let (width, height) = (
        f64::from(SIZE.0) - 2.0 * MARGIN,
        f64::from(SIZE.1) - 2.0 * MARGIN - TITLE,
    );
    let scale = (width / (right - left).max(1e-6)).min(height / (high - low).max(1e-6));
    let at = |x: f32, y: f32| {
        let px = MARGIN + width / 2.0 + (f64::from(x) - f64::midpoint(left, right)) * scale;
        let py = TITLE + MARGIN + height / 2.0 - (f64::from(y) - f64::midpoint(low, high)) * scale;
        (px as i32, py as i32)
    };
    // Fewer points are larger.
    let radius = match map.articles.len() {
        0..=300 => 6,
        301..=3000 => 4,
        3001..=30_000 => 2,
        _ => 1,
    };
    for article in &map.articles {
        let [r, g, b] = article.topic.map_or(GREY, |t| map.topics[t].colour);
        let place = at(article.place[0], article.place[1]);
        let dot = Circle::new(place, radius, RGBColor(r, g, b).mix(0.75).filled());
        area.draw(&dot).map_err(failed)?;
    }
    let font = |colour: &'static RGBColor| {
        TextStyle::from((FONT, 22.0).into_font())
            .color(colour)
            .pos(Pos::new(HPos::Center, VPos::Center))
    };
    let mut taken: Vec<(i32, i32, i32, i32)> = Vec::new();
    for topic in &map.topics {
        let (Some(x), Some(y)) = (topic.x, topic.y) else {
            continue;
        };
        let style = font(&BLACK);
        let (w, h) = area
            .estimate_text_size(&topic.label, &style)
            .map_err(failed)?;
        let (w, h) = (w as i32 / 2 + 6, h as i32 / 2 + 4);
        let (px, py) = at(x, y);
        // A label stays within the picture.
        let px = px.clamp(w, (SIZE.0 as i32 - w).max(w));
        // The largest topic's label has its place; a smaller one's moves a little, or is left out.
        let free = |y: &i32| {
            let near = |b: &(i32, i32, i32, i32)| {
                px - w < b.2 && px + w > b.0 && y - h < b.3 && y + h > b.1
            };
            !taken.iter().any(near)
        };
        let shifts = [0, -1, 1, -2, 2].map(|s| py + s * 2 * h);
        let Some(py) = shifts.into_iter().find(free) else {
            continue;
        };
        taken.push((px - w, py - h, px + w, py + h));
        let paper = font(&WHITE);
        for (dx, dy) in [
            (-2, 0),
            (2, 0),
            (0, -2),
            (0, 2),
            (-1, -1),
            (1, 1),
            (-1, 1),
            (1, -1),
        ] {
            area.draw_text(&topic.label, &paper, (px + dx, py + dy))
                .map_err(failed)?;
        }
        area.draw_text(&topic.label, &style, (px, py))
            .map_err(failed)?;
    }
    let title = TextStyle::from((FONT, 28.0).into_font()).color(&BLACK);
    area.draw_text(&map.name, &title, (MARGIN as i32, 18))
        .map_err(failed)?;
    let about = TextStyle::from((FONT, 18.0).into_font()).color(&RGBColor(110, 110, 110));
    area.draw_text(&map.about(), &about, (MARGIN as i32, 52))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::{MapArticle, MapTopic};
    use super::*;

    fn map(n: usize) -> Map {
        let articles = (0..n)
            .map(|i| MapArticle {
                key: i as i64,
                id: i.to_string(),
                title: String::new(),
                date: None,
                source: None,
                topic: (i % 3 != 0).then_some(0),
                place: [(i % 7) as f32, (i / 7) as f32],
                nearest: Vec::new(),
            })
            .collect();
        Map {
            name: "<b>&".into(),
            topics: vec![MapTopic {
                id: 0,
                label: "</text><script>".into(),
                size: 2,
                colour: [200, 30, 40],
                x: Some(3.0),
                y: Some(0.0),
            }],
            articles,
            trustworthiness: 0.9,
        }
    }

    #[test]
    fn labels_are_text_in_svg() {
        let out = svg(&map(20)).unwrap();
        assert_eq!(out.matches("<circle").count(), 20);
        assert!(!out.contains("<script") && !out.contains("<b>"), "{out}");
        assert!(out.contains("&lt;script&gt;"));
    }

    #[test]
    fn a_png_has_its_size_and_an_empty_map_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.png");
        png(&map(20), &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(
            &bytes[16..24],
            &[SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes()].concat()[..]
        );
        png(&map(0), &path).unwrap();
        assert!(png(&map(1), Path::new("/no/such/folder/map.png")).is_err());
    }
}
