// The picture of two storms: goodput over time as one HTML file that needs nothing else.
#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace example {

constexpr int bins_per_second = 10;

/// What one storm came to, per tenth of a second of the time its calls were due.
struct course {
    std::string name;
    std::string color;
    std::vector<std::uint32_t> offered;  ///< Calls that a well origin answers in time.
    std::vector<std::uint32_t> in_time;  ///< Of these.
};

/// A stretch of the storm, with its beginning in seconds.
struct mark {
    double at_s = 0;
    std::string text;
};

class picture {
public:
    explicit picture(double length_s) : length_s_(length_s) {}

    void add(const mark& what) {
        const double at = x(what.at_s);
        put("<line x1='%.1f' x2='%.1f' y1='20' y2='260' stroke='#bbb' stroke-dasharray='3 3'/>"
            "<text x='%.1f' y='14'>%s</text>",
            at, at, at + 2, what.text.c_str());
    }
    /// A line; gaps where nothing was offered.
    void add(const course& what) {
        std::string points;
        for (std::size_t i = 0; i <= what.offered.size(); ++i) {
            const bool is_gap = i == what.offered.size() || what.offered[i] == 0;
            if (!is_gap) {
                const double share = static_cast<double>(what.in_time[i]) / what.offered[i];
                char point[64];
                std::snprintf(point, sizeof point, "%.1f,%.1f ",
                              x((static_cast<double>(i) + 0.5) / bins_per_second), y(share));
                points += point;
            } else if (!points.empty()) {
                svg_ += "<polyline fill='none' stroke-width='1.8' stroke='" + what.color +
                        "' points='" + points + "'/>";
                points.clear();
            }
        }
        legend_ += " <b style='color:" + what.color + "'>" + what.name + "</b>";
    }
    /// False if the file cannot be written. `table` is shown below, as it is.
    [[nodiscard]] bool write(const std::string& file, const std::string& table) {
        for (const double share : {0.0, 0.5, 1.0}) {
            put("<line x1='50' x2='990' y1='%.1f' y2='%.1f' stroke='#ddd'/>"
                "<text x='44' y='%.1f' text-anchor='end'>%.0f %%</text>",
                y(share), y(share), y(share) + 4, share * 100);
        }
        for (int second = 0; second <= static_cast<int>(length_s_);
             second += length_s_ > 20 ? 5 : 1) {
            put("<text x='%.1f' y='276' text-anchor='middle'>%d s</text>", x(second), second);
        }
        std::ofstream out(file);
        out << "<!doctype html><html lang='en'><meta charset='utf-8'><title>hearth: a storm</title>"
               "<body style='font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:1060px;"
               "color:#222;background:#fff'><h1>Goodput over time</h1><p>Share of the calls that "
               "were answered by their deadline, per tenth of a second:"
            << legend_ << "</p><svg viewBox='0 0 1000 282' font-size='12'>" << svg_ << "</svg><pre>"
            << table << "</pre></body></html>\n";
        return static_cast<bool>(out.flush());
    }

private:
    [[nodiscard]] double x(double second) const { return 50 + 940 * second / length_s_; }
    [[nodiscard]] static double y(double share) { return 260 - 236 * share; }
    template <class... Values>
    void put(const char* format, Values... values) {
        char text[400];
        std::snprintf(text, sizeof text, format, values...);
        svg_ += text;
    }

    const double length_s_;
    std::string svg_;
    std::string legend_;
};

}  // namespace example
