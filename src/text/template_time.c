/* strftime in the C locale, on UTC, from seconds that the caller gives: no clock, no time zone. */
#include "text/template_impl.h"

#include <stdio.h>

struct date {
    int64_t year;
    int month, day, hour, minute, second, weekday, yearday; /* weekday 0 = Sunday */
};

/* Days since 1970 to a date; years begin in March so that the leap day comes last. */
static struct date date_of(int64_t unix_s)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    struct date d = {0};
    int64_t days = unix_s / 86400, rest = unix_s % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    d.day = (int)(doy - (153 * mp + 2) / 5 + 1);
    d.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    d.year = yoe + era * 400 + (d.month <= 2);
    d.hour = (int)(rest / 3600);
    d.minute = (int)(rest / 60 % 60);
    d.second = (int)(rest % 60);
    d.weekday = (int)(((days + 4) % 7 + 7) % 7);
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    d.yearday = before[d.month - 1] + d.day + (leap && d.month > 2);
    return d;
}

static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};
static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

/* One number; flag '-' drops the padding. */
static bool number(struct pxi_trun *r, int value, int width, char pad, char flag)
{
    char text[16];
    snprintf(text, sizeof text,
             flag == '-'  ? "%d"
             : pad == ' ' ? "%*d"
                          : "%0*d",
             flag == '-' ? value : width, value);
    return pxi_tpl_puts(r, text);
}

static bool sequence(struct pxi_trun *r, const struct date *d, const char *codes);

static bool directive(struct pxi_trun *r, const struct date *d, char code, char flag)
{
    int hour12 = d->hour % 12 ? d->hour % 12 : 12;
    switch (code) {
    case 'Y': return number(r, (int)d->year, 4, '0', '-');
    case 'y': return number(r, (int)(d->year % 100), 2, '0', flag);
    case 'm': return number(r, d->month, 2, '0', flag);
    case 'd': return number(r, d->day, 2, '0', flag);
    case 'e': return number(r, d->day, 2, ' ', flag);
    case 'H': return number(r, d->hour, 2, '0', flag);
    case 'I': return number(r, hour12, 2, '0', flag);
    case 'M': return number(r, d->minute, 2, '0', flag);
    case 'S': return number(r, d->second, 2, '0', flag);
    case 'j': return number(r, d->yearday, 3, '0', flag);
    case 'w': return number(r, d->weekday, 1, '0', flag);
    case 'u': return number(r, d->weekday ? d->weekday : 7, 1, '0', flag);
    case 'p': return pxi_tpl_puts(r, d->hour < 12 ? "AM" : "PM");
    case 'B': return pxi_tpl_puts(r, month_names[d->month - 1]);
    case 'b':
    case 'h': return pxi_tpl_put(r, month_names[d->month - 1], 3);
    case 'A': return pxi_tpl_puts(r, day_names[d->weekday]);
    case 'a': return pxi_tpl_put(r, day_names[d->weekday], 3);
    case 'F': return sequence(r, d, "Y-m-d");
    case 'D':
    case 'x': return sequence(r, d, "m/d/y");
    case 'T':
    case 'X': return sequence(r, d, "H:M:S");
    case 'R': return sequence(r, d, "H:M");
    case 'c': return sequence(r, d, "a b e H:M:S Y");
    case 'Z':
    case 'z': return true; /* Python prints nothing for a time without a zone */
    case 'n': return pxi_tpl_put(r, "\n", 1);
    case 't': return pxi_tpl_put(r, "\t", 1);
    case '%': return pxi_tpl_put(r, "%", 1);
    default: return pxi_tpl_fail(r, "strftime_now does not know %%%c", code);
    }
}

/* Letters are directives, everything else stands for itself. */
static bool sequence(struct pxi_trun *r, const struct date *d, const char *codes)
{
    bool ok = true;
    for (; ok && *codes; codes++)
        ok = (*codes | 0x20) >= 'a' ? directive(r, d, *codes, 0) : pxi_tpl_put(r, codes, 1);
    return ok;
}

bool pxi_tpl_strftime(struct pxi_trun *r, const struct pxi_tstr *fmt, int64_t unix_s,
                      struct pxi_tval *out)
{
    const size_t mark = r->out.n;
    if (unix_s < -62135596800 || unix_s > 253402300799)
        return pxi_tpl_fail(r, "the time is outside of the years 1 to 9999");
    const struct date d = date_of(unix_s);
    for (size_t i = 0; i < fmt->n; i++) {
        char flag = 0, c = fmt->p[i];
        bool ok;
        if (c == '%' && i + 1 < fmt->n) {
            c = fmt->p[++i];
            if (c == '-' && i + 1 < fmt->n) {
                flag = c;
                c = fmt->p[++i];
            }
            ok = pxi_tpl_step(r, 1) && directive(r, &d, c, flag);
        } else {
            ok = pxi_tpl_put(r, &c, 1);
        }
        if (!ok)
            return false;
    }
    return pxi_tpl_take(r, mark, out);
}
