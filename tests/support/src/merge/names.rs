//! Plausible names from many cultures, and the plain-letter form that an address needs.

use super::random::Random;

struct Culture {
    first: &'static [&'static str],
    last: &'static [&'static str],
}

#[rustfmt::skip]
const CULTURES: &[Culture] = &[
    Culture {
        first: &["Olivia", "James", "Amelia", "Thomas", "Grace", "Henry", "Eleanor", "Samuel", "Lucy", "Edward", "Hannah", "Daniel"],
        last: &["Hughes", "Bennett", "Walker", "Turner", "Foster", "Harrison", "Whitfield", "O'Connor", "Marsh", "Reid", "Fletcher", "Ashworth"],
    },
    Culture {
        first: &["Lena", "Jonas", "Käthe", "Felix", "Jürgen", "Anneliese", "Moritz", "Sabine", "Björn", "Ulrike", "Matthias", "Greta"],
        last: &["Müller", "Schäfer", "Vogel", "Köhler", "Brandt", "Weiß", "Lindner", "Hoffmann", "Krüger", "Neumann", "Baumgärtner", "Richter"],
    },
    Culture {
        first: &["Camille", "Léa", "Théo", "Inès", "Mathieu", "Élodie", "François", "Manon", "Hugo", "Chloé", "Benoît", "Anaïs"],
        last: &["Lefèvre", "Moreau", "Girard", "Fontaine", "Chevalier", "Dubois", "Rousseau", "Mercier", "Béranger", "Delacroix", "Gauthier", "Marchand"],
    },
    Culture {
        first: &["Lucía", "Javier", "María José", "Andrés", "Sofía", "Iñaki", "Valentina", "Joaquín", "Ximena", "Rodrigo", "Belén", "Santiago"],
        last: &["García", "Fernández", "Ibáñez", "Ortega Ruiz", "Castillo", "Núñez", "Herrera", "Vargas", "Peña", "Delgado", "Rojas", "Montoya"],
    },
    Culture {
        first: &["Aarav", "Priya", "Ananya", "Rohan", "Kavya", "Vikram", "Meera", "Arjun", "Divya", "Sanjay", "Lakshmi", "Nikhil"],
        last: &["Sharma", "Iyer", "Patel", "Reddy", "Banerjee", "Nair", "Kulkarni", "Chaudhary", "Menon", "Gupta", "Subramanian", "Deshpande"],
    },
    Culture {
        first: &["Wei", "Xiuying", "Jun", "Mei", "Haoran", "Lihua", "Zihan", "Yifan", "Jing", "Minghao", "Qing", "Ruoxi"],
        last: &["Wang", "Zhang", "Chen", "Zhao", "Huang", "Lin", "Xu", "Guo", "Ouyang", "Tang", "Song", "Zheng"],
    },
    Culture {
        first: &["Haruto", "Yui", "Sakura", "Kenji", "Aiko", "Ren", "Naoko", "Daichi", "Emi", "Takumi", "Hana", "Shō"],
        last: &["Satō", "Tanaka", "Watanabe", "Itō", "Nakamura", "Kobayashi", "Yoshida", "Mori", "Fujimoto", "Ōkubo", "Hayashi", "Ueda"],
    },
    Culture {
        first: &["Chinedu", "Adaeze", "Kwame", "Abena", "Tunde", "Folasade", "Kofi", "Ngozi", "Sipho", "Thandiwe", "Amara", "Emeka"],
        last: &["Okafor", "Adeyemi", "Mensah", "Owusu", "Nwosu", "Dlamini", "Balogun", "Boateng", "Eze", "Khumalo", "Abiodun", "Asante"],
    },
    Culture {
        first: &["Fatima", "Omar", "Layla", "Yusuf", "Noor", "Karim", "Salma", "Tariq", "Amina", "Hassan", "Rania", "Ziad"],
        last: &["Haddad", "El-Sayed", "Mansour", "Khalil", "Al-Rashid", "Nasser", "Farouk", "Ben Youssef", "Saleh", "Hariri", "Darwish", "Aziz"],
    },
    Culture {
        first: &["Zofia", "Łukasz", "Agnieszka", "Piotr", "Małgorzata", "Tomáš", "Jiřina", "Ondřej", "Oksana", "Mykola", "Dragana", "Miloš"],
        last: &["Kowalski", "Wiśniewska", "Dvořák", "Novák", "Shevchenko", "Bondarenko", "Petrović", "Zieliński", "Černý", "Jankowska", "Horvat", "Kovač"],
    },
    Culture {
        first: &["Astrid", "Søren", "Ingrid", "Lars", "Freja", "Åsa", "Mikkel", "Sigrún", "Eero", "Aino", "Nils", "Maja"],
        last: &["Johansson", "Nielsen", "Bergström", "Hansen", "Virtanen", "Østergaard", "Lindqvist", "Jónsdóttir", "Korhonen", "Ågren", "Holm", "Dahl"],
    },
    Culture {
        first: &["Minh", "Linh", "Ji-woo", "Seo-yeon", "Min-jun", "Siti", "Budi", "Dewi", "Thuy", "Somchai", "Malee", "Jisoo"],
        last: &["Nguyễn", "Trần", "Kim", "Park", "Choi", "Lê", "Wijaya", "Santoso", "Phạm", "Rahman", "Suwan", "Jeong"],
    },
    Culture {
        first: &["João", "Beatriz", "Thiago", "Larissa", "Rafael", "Conceição", "Gustavo", "Letícia", "Caio", "Mariana", "Otávio", "Júlia"],
        last: &["da Silva", "Souza", "Oliveira", "Gonçalves", "Araújo", "Ribeiro", "Magalhães", "Barbosa", "dos Santos", "Teixeira", "Brandão", "Moura"],
    },
];

/// A first and a last name, mostly of one culture.
pub(super) fn person(random: &mut Random) -> (&'static str, &'static str) {
    let culture = random.pick(CULTURES);
    let other = if random.one_in(4) {
        random.pick(CULTURES)
    } else {
        culture
    };
    (*random.pick(culture.first), *random.pick(other.last))
}

/// The name in lower-case ASCII letters and digits, for an address: `Jürgen Weiß` becomes `jurgen`, `weiss`.
pub(super) fn plain(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => out.push(c),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ā' | 'ạ' | 'ą' | 'ầ' => out.push('a'),
            'ç' | 'č' | 'ć' => out.push('c'),
            'ď' | 'đ' | 'ð' => out.push('d'),
            'é' | 'è' | 'ê' | 'ë' | 'ě' | 'ę' | 'ễ' | 'ē' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' | 'ī' => out.push('i'),
            'ł' => out.push('l'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' | 'ō' => out.push('o'),
            'ř' => out.push('r'),
            'š' | 'ś' => out.push('s'),
            'ť' => out.push('t'),
            'ú' | 'ù' | 'û' | 'ü' | 'ū' | 'ů' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'ž' | 'ź' | 'ż' => out.push('z'),
            _ => {}
        }
    }
    if out.is_empty() { "person".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::{CULTURES, plain};

    #[test]
    fn every_letter_of_every_name_has_a_plain_form() {
        for name in CULTURES
            .iter()
            .flat_map(|culture| culture.first.iter().chain(culture.last))
        {
            let letters = name.chars().filter(|c| c.is_alphabetic()).count();
            assert!(plain(name).len() >= letters, "{name} became {}", plain(name));
        }
    }
}
