# Messages produced a second over messages in a request
# Draws 09-batching.svg, 09-batching-narrow.svg and 09-batching.png from 09-batching.csv in this directory:
#   gnuplot 09-batching.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "09-batching.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 1 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 7 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,492 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching.svg"
  }
  if (narrow) {
    set terminal svg size 400,452 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,492 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "09-batching.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Messages produced a second over messages in a request" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T000139Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Messages produced a second over\nmessages in a request" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T000139Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.229333 absolute
  set logscale x
  set xrange [0.714286:1400]
  set xtics ("1" 1, "2" 2, "5" 5, "10" 10, "50" 50, "100" 100, "1000" 1000) font ",14"
  if (narrow) { set xtics ("1" 1, "2" 2, "5" 5, "10" 10, "50" 50, "100" 100, "1000" 1000) font ",10" }
  set logscale y
  set ytics ("50k" 50000, "100k" 100000, "200k" 200000, "500k" 500000, "1M" 1000000, "2M" 2000000, "5M" 5000000, "10M" 10000000, "20M" 20000000)
  if (narrow) { set ytics ("50k" 50000, "100k" 100000, "200k" 200000, "500k" 500000, "1M" 1000000, "2M" 2000000, "5M" 5000000, "10M" 10000000, "20M" 20000000) }
  set yrange [41522.908467:26852180.437946]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.294248; set tmargin at screen 0.769912 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.195122; set tmargin at screen 0.865854 }
  unset arrow
  unset title
  set xlabel "messages a request (bare: a write)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "messages/s" offset 0,0
  plot data skip 1 using (pick("", "messages", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "broker", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "broker-netdb", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip dotting using (pick("", "messages", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("", "broker", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("", "broker-netdb", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip 1 using (pick("", "messages", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "broker", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "broker-netdb", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "messages", "median", 4)):6:(hover("bare socket, one write a batch")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "broker", "median", 4)):6:(hover("broker, loopback")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "broker-netdb", "median", 4)):6:(hover("broker, 1 Gb/s, no answers")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.165929 : 0.077236)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 3 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "bare socket, one write a batch", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "broker, loopback", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "broker, 1 Gb/s, no answers"
  unset multiplot
  unset output
}
