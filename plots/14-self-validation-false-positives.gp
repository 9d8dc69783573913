# Self-validation: differences called among 200 comparisons of a thing with itself
# Draws 14-self-validation-false-positives.svg, 14-self-validation-false-positives-narrow.svg and 14-self-validation-false-positives.png from 14-self-validation-false-positives.csv in this directory:
#   gnuplot 14-self-validation-false-positives.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "14-self-validation-false-positives.csv"
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
    set output "14-self-validation-false-positives.svg"
  }
  if (narrow) {
    set terminal svg size 400,436 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "14-self-validation-false-positives-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,468 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "14-self-validation-false-positives.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Self-validation: differences called among 200 comparisons of a thing with itself" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T003545Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Self-validation: differences called\namong 200 comparisons of a thing with\nitself" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T003545Z-3afb1ef" font ",10" offset 0,-4.4
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
  set xtics ("A/A of synthetic rows" 0, "A/A of measured rows" 1) font ",12"
  if (narrow) { set xtics ("A/A of\nsynthetic\nrows" 0, "A/A of\nmeasured\nrows" 1) font ",10" }
  unset logscale y
  set ytics ("0" 0, "5" 5, "10" 10, "15" 15, "20" 20)
  if (narrow) { set ytics ("0" 0, "5" 5, "10" 10, "15" 15, "20" 20) }
  set yrange [0:20.16]
  if (narrow) { set lmargin at screen 0.178; set rmargin at screen 0.955; set bmargin at screen 0.229358; set tmargin at screen 0.722477 } else { set lmargin at screen 0.074167; set rmargin at screen 0.98125; set bmargin at screen 0.153846; set tmargin at screen 0.858974 }
  unset arrow
  unset title
  set xlabel "rows" offset 0,screen (narrow ? -0.068807 : 0)
  set ylabel "differences called, of 200" offset 0,0
  set arrow from graph 0, first 18 to graph 1, first 18 nohead lc rgb "#666666" dt (10,6) lw 1.4 back
  set label 20 "what chance allows" at graph 0.99, first 18 right offset 0,0.6 font ",11" tc rgb "#444444" front
  plot data skip 1 using (pick("", "aa-synthetic", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "aa-measured", "median", 4)):6 with boxes fs solid 0.75 noborder lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "aa-synthetic", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "aa-measured", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "aa-synthetic", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "aa-measured", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "aa-synthetic", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "aa-measured", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "aa-synthetic", "median", 4)):6:(hover("A/A of synthetic rows")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "aa-measured", "median", 4)):6:(hover("A/A of measured rows")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
