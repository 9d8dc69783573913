# Self-validation: servers of known rate
# Draws 14-self-validation-rate.svg, 14-self-validation-rate-narrow.svg and 14-self-validation-rate.png from 14-self-validation-rate.csv in this directory:
#   gnuplot 14-self-validation-rate.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "14-self-validation-rate.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 14 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,468 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "14-self-validation-rate.svg"
  }
  if (narrow) {
    set terminal svg size 400,402 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "14-self-validation-rate-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,468 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "14-self-validation-rate.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Self-validation: servers of known rate" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T003545Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Self-validation: servers of known rate" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T003545Z-3afb1ef" font ",10" offset 0,-2.2
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:1.6]
  set xtics ("a sink of 50,000 records/s" 0, "a sink of 500,000 records/s" 1) font ",12"
  if (narrow) { set xtics ("a sink of\n50,000\nrecords/s" 0, "a sink of\n500,000\nrecords/s" 1) font ",10" }
  unset logscale y
  set ytics ("0" 0, "0.5" 0.5, "1" 1, "1.5" 1.5, "2" 2)
  if (narrow) { set ytics ("0" 0, "0.5" 0.5, "1" 1, "1.5" 1.5, "2" 2) }
  set yrange [0:2.24]
  if (narrow) { set lmargin at screen 0.1995; set rmargin at screen 0.955; set bmargin at screen 0.248756; set tmargin at screen 0.783582 } else { set lmargin at screen 0.083125; set rmargin at screen 0.98125; set bmargin at screen 0.153846; set tmargin at screen 0.858974 }
  unset arrow
  unset title
  set xlabel "the server" offset 0,screen (narrow ? -0.074627 : 0)
  set ylabel "error of the measured rate, %" offset 0,0
  set arrow from graph 0, first 2 to graph 1, first 2 nohead lc rgb "#666666" dt (10,6) lw 1.4 back
  set label 20 "allowed" at graph 0.99, first 2 right offset 0,0.6 font ",11" tc rgb "#444444" front
  plot data skip 1 using (pick("", "known-rate-slow", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "known-rate-fast", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "known-rate-slow", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "known-rate-fast", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "known-rate-slow", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "known-rate-fast", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "known-rate-slow", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "known-rate-fast", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "known-rate-slow", "median", 4)):6:(hover("a sink of 50,000 records/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "known-rate-fast", "median", 4)):6:(hover("a sink of 500,000 records/s")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
